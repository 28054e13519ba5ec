// The least that a static program can cost: what `convox --version` is measured against.
int main() { return 0; }
