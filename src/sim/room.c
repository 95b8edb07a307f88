extern int ms_sim_room;
int ms_sim_room; /* removed with the room's first real file */
