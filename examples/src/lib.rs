//! Small programs that use Farthing.
