extern int ms_stats_room;
int ms_stats_room; /* removed with the room's first real file */
