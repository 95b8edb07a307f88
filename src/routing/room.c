extern int ms_routing_room;
int ms_routing_room; /* removed with the room's first real file */
