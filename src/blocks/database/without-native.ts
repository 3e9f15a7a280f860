/**
 * To be loaded before the driver: with this variable in the environment it wants a native part that is not installed, and
 * ends the program.
 */
delete process.env.NODE_PG_FORCE_NATIVE;
