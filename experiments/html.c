#include "experiments/html.h"

#include <string.h>

void spa_html_text(spa_string *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        switch (c) {
        case '&':
            spa_string_append(out, "&amp;");
            break;
        case '<':
            spa_string_append(out, "&lt;");
            break;
        case '>':
            spa_string_append(out, "&gt;");
            break;
        case '"':
            spa_string_append(out, "&quot;");
            break;
        case '\'':
            spa_string_append(out, "&#39;");
            break;
        default:
            spa_string_append(out, "%c", c < 0x20 && c != '\n' ? ' ' : c);
        }
    }
}

/* Ends of texts after which an id or a reference to one begins. */
static size_t reference_at(const char *text)
{
    static const char *const marks[] = {" id=\"", " id='", "url(#", "href=\"#", "href='#"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        size_t n = strlen(marks[i]);
        if (strncmp(text, marks[i], n) == 0) return n;
    }
    return 0;
}

void spa_html_svg(spa_string *out, const char *svg, const char *prefix)
{
    const char *at = strstr(svg, "<svg");
    const char *copied = at;
    while (at && *at) {
        size_t n = reference_at(at);
        if (n == 0) {
            at++;
            continue;
        }
        spa_string_append(out, "%.*s%s-", (int)(at + n - copied), copied, prefix);
        at += n;
        copied = at;
    }
    if (copied) spa_string_append(out, "%s", copied);
}
