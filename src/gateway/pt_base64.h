/*
 * Base64 in its one canonical form (RFC 4648, with padding): a text is read
 * only if writing what was read gives the same text.
 */

#ifndef PT_BASE64_H
#define PT_BASE64_H

#include "pt_out.h"


/*
 * No white space, no missing or superfluous padding, no stray bits: 0 with the
 * length, or -1, also when more than size bytes come out.
 */
int pt_base64_decode(pt_slice_t text, unsigned char *dst, size_t size,
    size_t *len);

void pt_base64_encode(pt_out_t *out, const unsigned char *data, size_t len);


#endif /* PT_BASE64_H */
