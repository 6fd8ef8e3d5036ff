/* Digests of the golden runs; see test_golden.c for how to write them anew. */
static const struct {
    long long span_ns;
    unsigned long long events, digest;
} golden_digests[] = {
    {1008, 246, 0xbadbf04132ecf080ULL}, {1723, 300, 0x92dce58c9fa4b406ULL},
    {3275, 470, 0xb390e28bd44d0532ULL}, {1660, 505, 0xbd6d8523a6181767ULL},
    {1476, 162, 0x6f90239ead9c51faULL}, {712, 188, 0x332b9fd1a52305f1ULL},
    {73, 19, 0x26a614fdf32eb54fULL},    {1500, 402, 0xd69749d5feb448c0ULL},
    {2295, 342, 0x36f78bb2587cee55ULL}, {332, 64, 0x56144ac559a61789ULL},
    {370, 100, 0x7a34f07160f0c8c6ULL},  {2175, 415, 0xc7474de2937dea8bULL},
    {1760, 268, 0xa1b818688c4e21e4ULL}, {616, 120, 0xf563d9f5699f3cf1ULL},
    {307, 70, 0x119666fae0e7c196ULL},   {552, 136, 0x084f2546481e7480ULL},
};
