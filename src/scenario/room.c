extern int ms_scenario_room;
int ms_scenario_room; /* removed with the room's first real file */
