extern int ms_cluster_room;
int ms_cluster_room; /* removed with the room's first real file */
