extern int ms_moe_room;
int ms_moe_room; /* removed with the room's first real file */
