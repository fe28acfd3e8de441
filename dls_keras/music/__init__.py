"""Music: harmony, tunes as tokens, MIDI files and sound."""
