ALTER TABLE incident RESET (fillfactor);
