extern int ms_sweep_room;
int ms_sweep_room; /* removed with the room's first real file */
