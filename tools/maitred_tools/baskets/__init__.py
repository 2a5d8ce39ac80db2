"""Does learning help? A year of real shopping visits, decided in this process by what the server decides with."""
