/*
 * XML as gateways send it: one root, whose children hold text and nothing
 * else.
 *
 * What two parsers could read differently, or one be led astray by, is
 * refused: every DOCTYPE, entity, processing instruction, comment and
 * attribute, a name twice, another encoding than UTF-8.  Values are as XML
 * says, CDATA and references resolved, and never trimmed.
 */

#ifndef PT_XML_H
#define PT_XML_H

#include "pt_out.h"
#include "pt_param.h"


#define PT_XML_SIZE_MAX      65536
#define PT_XML_CHILDREN_MAX  256
#define PT_XML_NAME_MAX      64


typedef enum {
    PT_XML_OK = 0,
    PT_XML_BAD,
    PT_XML_NO_MEMORY
} pt_xml_e;


/* Sorted by name, byte by byte. */
typedef struct {
    pt_param_t   children[PT_XML_CHILDREN_MAX];
    size_t       n;
} pt_xml_t;


/* The slices point into memory from alloc; the root has this name. */
pt_xml_e pt_xml_parse(pt_xml_t *xml, pt_slice_t text, const char *root,
    pt_alloc_pt alloc, void *ctx);

/* A value that is not empty: 0, or -1 with an empty one. */
int pt_xml_get(const pt_xml_t *xml, const char *name, pt_slice_t *value);


#endif /* PT_XML_H */
