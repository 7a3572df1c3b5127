// Carries the precompiled headers of all tests (cmake/rooms.cmake), in a program as tests are, so
// that the flags are theirs; does nothing itself.
int main() {}
