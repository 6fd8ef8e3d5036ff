#include "tests/base/check.h"

Test(status, an_error_holds_the_status_and_the_formatted_message)
{
    spa_error err;
    cr_assert_eq(spa_fail(&err, SPA_E_IO, "%s and %d", "one", 2), SPA_E_IO);
    cr_assert_eq(err.status, SPA_E_IO);
    cr_assert_str_eq(err.message, "one and 2");
}

Test(status, a_place_is_written_in_front_and_line_0_means_the_whole_file)
{
    spa_error err;
    cr_assert_eq(spa_fail_at(&err, SPA_E_PARSE, "a/b.csv", 7, "bad %s", "cell"), SPA_E_PARSE);
    cr_assert_str_eq(err.message, "a/b.csv:7: bad cell");
    spa_fail_at(&err, SPA_E_PARSE, "a/b.csv", 0, "bad");
    cr_assert_str_eq(err.message, "a/b.csv: bad");
}

Test(status, without_an_error_to_fill_the_status_is_still_returned)
{
    cr_assert_eq(spa_fail(NULL, SPA_E_RANGE, "x"), SPA_E_RANGE);
    cr_assert_eq(spa_fail_at(NULL, SPA_E_IO, "f", 1, "x"), SPA_E_IO);
    cr_assert_eq(spa_fail_nomem(NULL, 8), SPA_E_NOMEM);
}

Test(status, out_of_memory_names_the_bytes)
{
    spa_error err;
    cr_assert_eq(spa_fail_nomem(&err, 1234), SPA_E_NOMEM);
    cr_assert_str_eq(err.message, "out of memory: 1234 bytes were asked for; use a smaller input "
                                  "or free memory");
}

Test(status, a_message_is_one_line_whatever_it_quotes)
{
    spa_error err;
    spa_fail(&err, SPA_E_PARSE,
             "a\nb\tc\x7f"
             "d\x1b[31m");
    cr_assert_str_eq(err.message, "a?b c?d?[31m");
}

Test(status, a_message_may_be_wrapped_into_itself)
{
    spa_error err;
    spa_fail(&err, SPA_E_PARSE, "inner");
    spa_fail(&err, err.status, "outer: %s", err.message);
    cr_assert_str_eq(err.message, "outer: inner");
}

Test(status, a_long_message_is_cut_before_a_utf8_character_not_inside_it)
{
    /* 768 bytes hold 767 and the NUL; 766 'a's leave one byte, too few for the 2-byte e-acute. */
    char text[800];
    memset(text, 'a', sizeof text);
    memcpy(text + 766, "\xc3\xa9\xc3\xa9", 5);
    spa_error err;
    spa_fail(&err, SPA_E_PARSE, "%s", text);
    cr_assert_eq(strlen(err.message), 766);
    cr_assert_eq(err.message[765], 'a');
    /* Two bytes are enough: 765 'a's and one e-acute fill the message. */
    memcpy(text + 765, "\xc3\xa9\xc3\xa9", 5);
    spa_fail(&err, SPA_E_PARSE, "%s", text);
    cr_assert_eq(strlen(err.message), 767);
}

Test(status, a_long_path_keeps_its_end_and_leaves_room_for_the_message)
{
    char path[2001];
    memset(path, 'p', 2000);
    memcpy(path + 1994, "/x.csv", 7);
    spa_error err;
    spa_fail_at(&err, SPA_E_PARSE, path, 5, "the fault");
    cr_assert_eq(strncmp(err.message, "...ppp", 6), 0);
    cr_assert_not_null(strstr(err.message, "/x.csv:5: the fault"));
}
