#include "tests/base/check.h"
#include <stdlib.h>
#include "base/memory.h"

Test(memory, an_allocation_is_zeroed)
{
    int *p = NULL;
    expect_ok(spa_alloc(&p, 1000, sizeof *p, err));
    for (int i = 0; i < 1000; i++) cr_assert_eq(p[i], 0);
    free(p);
}

Test(memory, an_allocation_of_nothing_is_a_valid_pointer)
{
    char *p = NULL;
    expect_ok(spa_alloc(&p, 0, 8, err));
    cr_assert_not_null(p);
    free(p);
}

Test(memory, a_size_that_overflows_is_refused_and_the_pointer_zeroed)
{
    char *p = (char *)1;
    spa_error err;
    /* (2^63) * 2 = 2^64 does not fit 64 bits. */
    cr_assert_eq(spa_alloc(&p, SIZE_MAX / 2 + 1, 2, &err), SPA_E_RANGE);
    cr_assert_null(p);
    cr_assert_not_null(strstr(err.message, "9223372036854775808 elements of 2 bytes"));
}

Test(memory, growing_keeps_the_old_elements_and_zeroes_the_new)
{
    int *data = NULL;
    size_t capacity = 0;
    expect_ok(spa_grow(&data, &capacity, 3, sizeof *data, err));
    cr_assert_eq(capacity, 8); /* the least */
    for (int i = 0; i < 8; i++) data[i] = i + 1;
    expect_ok(spa_grow(&data, &capacity, 9, sizeof *data, err));
    cr_assert_eq(capacity, 12); /* 8 + 8/2 */
    for (int i = 0; i < 8; i++) cr_assert_eq(data[i], i + 1);
    for (int i = 8; i < 12; i++) cr_assert_eq(data[i], 0);
    int *before = data;
    expect_ok(spa_grow(&data, &capacity, 12, sizeof *data, err)); /* fits already */
    cr_assert_eq(data, before);
    expect_ok(spa_grow(&data, &capacity, 100, sizeof *data, err)); /* more than one step */
    cr_assert_eq(capacity, 100);
    free(data);
}

Test(memory, growing_element_by_element_takes_few_steps)
{
    char *data = NULL;
    size_t capacity = 0, steps = 0;
    for (size_t i = 0; i < 100000; i++) {
        size_t before = capacity;
        expect_ok(spa_grow(&data, &capacity, i + 1, 1, err));
        steps += capacity != before;
    }
    /* 8 * 1.5^n >= 10^5 needs n = ln(12500)/ln(1.5) = 23.3; rounding down adds a few. */
    cr_assert_leq(steps, 28);
    free(data);
}

Test(memory, growing_beyond_the_address_space_fails_and_changes_nothing)
{
    long *data = NULL;
    size_t capacity = 0;
    expect_ok(spa_grow(&data, &capacity, 8, sizeof *data, err));
    data[7] = 42;
    long *before = data;
    cr_assert_eq(spa_grow(&data, &capacity, SIZE_MAX / 4, sizeof *data, NULL), SPA_E_RANGE);
    cr_assert_eq(data, before);
    cr_assert_eq(capacity, 8);
    cr_assert_eq(data[7], 42);
    free(data);
}

Test(memory, a_copy_of_a_string_is_its_own)
{
    char text[] = "abc", *copy = NULL;
    expect_ok(spa_strdup(&copy, text, err));
    text[0] = 'x';
    cr_assert_str_eq(copy, "abc");
    free(copy);
}

Test(memory, arena_pieces_are_zeroed_aligned_and_do_not_overlap)
{
    enum { PIECES = 2000 };
    static unsigned char *piece[PIECES];
    spa_arena arena;
    spa_arena_init(&arena);
    for (size_t i = 0; i < PIECES; i++) { /* sizes 0 .. 1999 pass several block sizes */
        expect_ok(spa_arena_alloc(&arena, &piece[i], i, 1, err));
        cr_assert_eq((uintptr_t)piece[i] % 16, 0);
        for (size_t k = 0; k < i; k++) cr_assert_eq(piece[i][k], 0);
        memset(piece[i], (int)(i % 255) + 1, i);
    }
    for (size_t i = 0; i < PIECES; i++) {
        for (size_t k = 0; k < i; k++) cr_assert_eq(piece[i][k], i % 255 + 1);
    }
    /* Each piece takes its size rounded up to 16, an empty one 16. */
    size_t used = 16;
    for (size_t i = 1; i < PIECES; i++) used += (i + 15) / 16 * 16;
    cr_assert_eq(arena.used_bytes, used);
    spa_arena_fini(&arena);
    cr_assert_eq(arena.used_bytes, 0);
    expect_ok(spa_arena_alloc(&arena, &piece[0], 1, 1, err)); /* usable again */
    spa_arena_fini(&arena);
}

Test(memory, a_large_piece_leaves_the_block_in_use_to_the_small_ones)
{
    spa_arena arena;
    spa_arena_init(&arena);
    char *a = NULL, *large = NULL, *b = NULL;
    expect_ok(spa_arena_alloc(&arena, &a, 16, 1, err));
    expect_ok(spa_arena_alloc(&arena, &large, 10 << 20, 1, err));
    expect_ok(spa_arena_alloc(&arena, &b, 16, 1, err));
    cr_assert_eq(b, a + 16);
    large[(10 << 20) - 1] = 1;
    spa_arena_fini(&arena);
}

Test(memory, an_arena_refuses_sizes_that_overflow)
{
    spa_arena arena;
    spa_arena_init(&arena);
    char *p = (char *)1;
    cr_assert_eq(spa_arena_alloc(&arena, &p, SIZE_MAX, 2, NULL), SPA_E_RANGE);
    cr_assert_null(p);
    cr_assert_eq(spa_arena_alloc(&arena, &p, SIZE_MAX, 1, NULL), SPA_E_RANGE); /* rounding up */
    spa_arena_fini(&arena);
}

Test(memory, checked_arithmetic_reports_overflow_and_leaves_the_result_alone)
{
    size_t s = 7;
    int64_t i = 7;
    cr_assert(!spa_mul_size(SIZE_MAX, 2, &s) && !spa_add_size(SIZE_MAX, 1, &s) && s == 7);
    cr_assert(!spa_mul_i64(INT64_MAX, 2, &i) && !spa_add_i64(INT64_MIN, -1, &i) && i == 7);
    cr_assert(spa_mul_size(6, 7, &s) && s == 42);
    cr_assert(spa_add_i64(-2, 5, &i) && i == 3);
}
