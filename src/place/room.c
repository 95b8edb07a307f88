extern int ms_place_room;
int ms_place_room; /* removed with the room's first real file */
