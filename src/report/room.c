extern int ms_report_room;
int ms_report_room; /* removed with the room's first real file */
