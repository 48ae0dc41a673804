/*
 * XML as gateways send it, read by expat.
 */

#include <expat.h>

#include "pt_xml.h"


typedef struct {
    XML_Parser    parser;
    pt_xml_t     *xml;
    const char   *root;
    unsigned      depth;
    unsigned      bad:1;
    pt_param_t    child;               /* the one that is open */
    char         *pos;
    char         *end;
} pt_xml_reader_t;


/* Some handlers are still called after this. */
static void
pt_xml_refuse(pt_xml_reader_t *reader)
{
    reader->bad = 1;
    (void) XML_StopParser(reader->parser, XML_FALSE);
}


/* No more comes out than went in, so that there is room. */
static int
pt_xml_put(pt_xml_reader_t *reader, const char *s, size_t len)
{
    if ((size_t) (reader->end - reader->pos) < len) {
        pt_xml_refuse(reader);
        return -1;
    }

    memcpy(reader->pos, s, len);
    reader->pos += len;

    return 0;
}


static int
pt_xml_name_valid(const char *name, size_t len)
{
    char    c;
    size_t  i;

    if (len > PT_XML_NAME_MAX) {
        return 0;
    }

    for (i = 0; i < len; i++) {
        c = name[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z')
            && !(c >= '0' && c <= '9') && c != '_' && c != '-' && c != '.')
        {
            return 0;
        }
    }

    return 1;
}


static void
pt_xml_start_child(pt_xml_reader_t *reader, const char *name)
{
    size_t  len;

    len = strlen(name);

    if (reader->xml->n == PT_XML_CHILDREN_MAX
        || !pt_xml_name_valid(name, len))
    {
        pt_xml_refuse(reader);
        return;
    }

    reader->child.name = pt_slice(reader->pos, len);

    if (pt_xml_put(reader, name, len) == 0) {
        reader->child.value = pt_slice(reader->pos, 0);
    }
}


static void XMLCALL
pt_xml_start(void *data, const XML_Char *name, const XML_Char **attributes)
{
    pt_xml_reader_t *reader = data;

    if (reader->bad) {
        return;
    }

    if (attributes[0] || reader->depth == 2
        || (reader->depth == 0 && strcmp(name, reader->root) != 0))
    {
        pt_xml_refuse(reader);
        return;
    }

    if (reader->depth++ == 1) {
        pt_xml_start_child(reader, name);
    }
}


static void XMLCALL
pt_xml_end(void *data, const XML_Char *name)
{
    pt_xml_reader_t *reader = data;

    (void) name;

    if (reader->bad) {
        return;
    }

    if (reader->depth-- == 2
        && pt_param_insert(reader->xml->children, &reader->xml->n,
                           &reader->child)
           != 0)
    {
        pt_xml_refuse(reader);
    }
}


/* Called for pieces of a text; between children only white space may be. */
static void XMLCALL
pt_xml_text(void *data, const XML_Char *s, int len)
{
    pt_xml_reader_t *reader = data;

    int  i;

    if (reader->bad) {
        return;
    }

    if (reader->depth == 2) {
        if (pt_xml_put(reader, s, len) == 0) {
            reader->child.value.len += len;
        }

        return;
    }

    for (i = 0; i < len; i++) {
        if (s[i] != ' ' && s[i] != '\t' && s[i] != '\r' && s[i] != '\n') {
            pt_xml_refuse(reader);
            return;
        }
    }
}


static void XMLCALL
pt_xml_cdata(void *data)
{
    pt_xml_reader_t *reader = data;

    if (reader->depth != 2) {
        pt_xml_refuse(reader);
    }
}


static int
pt_xml_is_utf8(const char *encoding)
{
    size_t  i;

    static const char  lower[] = "utf-8";
    static const char  upper[] = "UTF-8";

    for (i = 0; i < sizeof(lower); i++) {
        if (encoding[i] != lower[i] && encoding[i] != upper[i]) {
            return 0;
        }
    }

    return 1;
}


static void XMLCALL
pt_xml_declaration(void *data, const XML_Char *version,
    const XML_Char *encoding, int standalone)
{
    pt_xml_reader_t *reader = data;

    (void) standalone;

    if (version == NULL || strcmp(version, "1.0") != 0
        || (encoding && !pt_xml_is_utf8(encoding)))
    {
        pt_xml_refuse(reader);
    }
}


static void XMLCALL
pt_xml_doctype(void *data, const XML_Char *name, const XML_Char *system,
    const XML_Char *public, int subset)
{
    (void) name;
    (void) system;
    (void) public;
    (void) subset;

    pt_xml_refuse(data);
}


static void XMLCALL
pt_xml_entity(void *data, const XML_Char *name, int parameter,
    const XML_Char *value, int len, const XML_Char *base,
    const XML_Char *system, const XML_Char *public, const XML_Char *notation)
{
    (void) name;
    (void) parameter;
    (void) value;
    (void) len;
    (void) base;
    (void) system;
    (void) public;
    (void) notation;

    pt_xml_refuse(data);
}


static void XMLCALL
pt_xml_skipped(void *data, const XML_Char *name, int parameter)
{
    (void) name;
    (void) parameter;

    pt_xml_refuse(data);
}


static void XMLCALL
pt_xml_instruction(void *data, const XML_Char *target, const XML_Char *text)
{
    (void) target;
    (void) text;

    pt_xml_refuse(data);
}


static void XMLCALL
pt_xml_comment(void *data, const XML_Char *text)
{
    (void) text;

    pt_xml_refuse(data);
}


static pt_xml_e
pt_xml_run(pt_xml_reader_t *reader, pt_slice_t text)
{
    XML_Parser       parser;
    enum XML_Status  status;

    parser = reader->parser;

    XML_SetUserData(parser, reader);
    XML_SetElementHandler(parser, pt_xml_start, pt_xml_end);
    XML_SetCharacterDataHandler(parser, pt_xml_text);
    XML_SetStartCdataSectionHandler(parser, pt_xml_cdata);
    XML_SetXmlDeclHandler(parser, pt_xml_declaration);
    XML_SetStartDoctypeDeclHandler(parser, pt_xml_doctype);
    XML_SetEntityDeclHandler(parser, pt_xml_entity);
    XML_SetSkippedEntityHandler(parser, pt_xml_skipped);
    XML_SetProcessingInstructionHandler(parser, pt_xml_instruction);
    XML_SetCommentHandler(parser, pt_xml_comment);

    status = XML_Parse(parser, text.data, (int) text.len, 1);

    if (XML_GetErrorCode(parser) == XML_ERROR_NO_MEMORY) {
        return PT_XML_NO_MEMORY;
    }

    return status == XML_STATUS_OK && !reader->bad ? PT_XML_OK : PT_XML_BAD;
}


pt_xml_e
pt_xml_parse(pt_xml_t *xml, pt_slice_t text, const char *root,
    pt_alloc_pt alloc, void *ctx)
{
    pt_xml_e         rc;
    pt_xml_reader_t  reader;

    xml->n = 0;

    /*
     * With zero bytes it could be meant as UTF-16; and not every version of
     * expat refuses all that is no UTF-8.
     */

    if (text.len == 0 || text.len > PT_XML_SIZE_MAX
        || memchr(text.data, '\0', text.len)
        || !pt_slice_utf8(text))
    {
        return PT_XML_BAD;
    }

    memset(&reader, 0, sizeof(pt_xml_reader_t));

    reader.xml = xml;
    reader.root = root;
    reader.pos = alloc(ctx, text.len);

    if (reader.pos == NULL) {
        return PT_XML_NO_MEMORY;
    }

    reader.end = reader.pos + text.len;
    reader.parser = XML_ParserCreate("UTF-8");

    if (reader.parser == NULL) {
        return PT_XML_NO_MEMORY;
    }

    rc = pt_xml_run(&reader, text);
    XML_ParserFree(reader.parser);

    if (rc != PT_XML_OK) {
        xml->n = 0;
    }

    return rc;
}


int
pt_xml_get(const pt_xml_t *xml, const char *name, pt_slice_t *value)
{
    const pt_param_t  *child;

    child = pt_param_find(xml->children, xml->n, name);
    *value = child ? child->value : pt_slice_null;

    return value->len ? 0 : -1;
}
