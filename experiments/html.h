/* Text and pictures inside an HTML page. */
#ifndef SPA_EXPERIMENTS_HTML_H
#define SPA_EXPERIMENTS_HTML_H

#include "base/text.h"

/* Appends a text with & < > " ' escaped; control characters become blanks. */
void spa_html_text(spa_string *out, const char *text);
/* Appends an SVG document as an element: without its head, and with `prefix` in front of every id
 * and reference, so that several may stand in one page. */
void spa_html_svg(spa_string *out, const char *svg, const char *prefix);

#endif
