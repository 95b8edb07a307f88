#include <stdio.h>
int main(void)
{
    puts("moesim: no verbs yet");
    return 2;
}
