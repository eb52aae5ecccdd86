/* Made by tests/support/reql_record.c from a real RethinkDB 2.4.4: facts, not to be
 * edited. */
/* clang-format off */

static const char shake_admin_said[] =
    "\303\275\3024{\"protocol_version\":0,\"authentication_method\":\"SCRAM-SHA"
    "-256\",\"authentication\":\"n,,n=admin,r=AAMGCQwPEhUYGx4hJCcqLTA"
    "z\"}\000{\"authentication\":\"c=biws,r=AAMGCQwPEhUYGx4hJCcqLTAzxiMI"
    "VcHKgVUvzpnzbc9c,p=pd2jytaqQeS4qwU5vWyJsWnXUEqFBu/u9ZUh2etNu"
    "Io=\"}\000";
static const char shake_admin_heard[] =
    "{\"max_protocol_version\":0,\"min_protocol_version\":0,\"server_v"
    "ersion\":\"2.4.4\",\"success\":true}\000{\"authentication\":\"r=AAMGCQw"
    "PEhUYGx4hJCcqLTAzxiMIVcHKgVUvzpnzbc9c,s=bJ+G1XEt4CIbfYAviSL3"
    "vA==,i=1\",\"success\":true}\000{\"authentication\":\"v=lYNxjMofcmlrq"
    "+Hf1FyMRf6vAzAYSk6p0RnWy5ewOE4=\",\"success\":true}\000";
static const char shake_ann_said[] =
    "\303\275\3024{\"protocol_version\":0,\"authentication_method\":\"SCRAM-SHA"
    "-256\",\"authentication\":\"n,,n=ann,r=AAMGCQwPEhUYGx4hJCcqLTAz\""
    "}\000{\"authentication\":\"c=biws,r=AAMGCQwPEhUYGx4hJCcqLTAzxIfwT+"
    "Otm8vKHGrvKiQY,p=MxzVg9Idd8WLCG3G8tG2QIMadv258VdCVaHohHSjKMc"
    "=\"}\000";
static const char shake_ann_heard[] =
    "{\"max_protocol_version\":0,\"min_protocol_version\":0,\"server_v"
    "ersion\":\"2.4.4\",\"success\":true}\000{\"authentication\":\"r=AAMGCQw"
    "PEhUYGx4hJCcqLTAzxIfwT+Otm8vKHGrvKiQY,s=+Z30f944byKdbKMmlFzi"
    "BQ==,i=4096\",\"success\":true}\000{\"authentication\":\"v=JshC3dlxWK"
    "1gLpDgIN0GeBMQ1H5TnQTduRZKxIr6lH0=\",\"success\":true}\000";
static const char shake_wrong_said[] =
    "\303\275\3024{\"protocol_version\":0,\"authentication_method\":\"SCRAM-SHA"
    "-256\",\"authentication\":\"n,,n=ann,r=AAMGCQwPEhUYGx4hJCcqLTAz\""
    "}\000{\"authentication\":\"c=biws,r=AAMGCQwPEhUYGx4hJCcqLTAze1SZdh"
    "KbnBvNEVYPZ1qF,p=UlMi1DCKZl8U5Syu7ZQ81zrwiuZeM/lqf4uPBhOcow8"
    "=\"}\000";
static const char shake_wrong_heard[] =
    "{\"max_protocol_version\":0,\"min_protocol_version\":0,\"server_v"
    "ersion\":\"2.4.4\",\"success\":true}\000{\"authentication\":\"r=AAMGCQw"
    "PEhUYGx4hJCcqLTAze1SZdhKbnBvNEVYPZ1qF,s=+Z30f944byKdbKMmlFzi"
    "BQ==,i=4096\",\"success\":true}\000{\"error\":\"Wrong password\",\"erro"
    "r_code\":12,\"success\":false}\000";
static const char shake_nobody_said[] =
    "\303\275\3024{\"protocol_version\":0,\"authentication_method\":\"SCRAM-SHA"
    "-256\",\"authentication\":\"n,,n=nobody,r=AAMGCQwPEhUYGx4hJCcqLT"
    "Az\"}\000{\"authentication\":\"c=biws,r=AAMGCQwPEhUYGx4hJCcqLTAzCv7"
    "scCmOoattlRySpjqz,p=MdeW/pdA+IHSxMsBbnOvPUVdueJmHnAwccdkD3OL"
    "MJ4=\"}\000";
static const char shake_nobody_heard[] =
    "{\"max_protocol_version\":0,\"min_protocol_version\":0,\"server_v"
    "ersion\":\"2.4.4\",\"success\":true}\000{\"authentication\":\"r=AAMGCQw"
    "PEhUYGx4hJCcqLTAzCv7scCmOoattlRySpjqz,s=guJHQHaGN9R7zxaCyzT/"
    "XQ==,i=4096\",\"success\":true}\000{\"error\":\"Unknown user\",\"error_"
    "code\":17,\"success\":false}\000";
static const char shake_comma_said[] =
    "\303\275\3024{\"protocol_version\":0,\"authentication_method\":\"SCRAM-SHA"
    "-256\",\"authentication\":\"n,,n=a=2Cbc,r=AAMGCQwPEhUYGx4hJCcqLT"
    "Az\"}\000{\"authentication\":\"c=biws,r=AAMGCQwPEhUYGx4hJCcqLTAzmiB"
    "LWuNcp9hgVsHkUrPW,p=dNh1FdmzFdXEtOueCFhwtqw3AkiDpsNCslv0Cweo"
    "sAU=\"}\000";
static const char shake_comma_heard[] =
    "{\"max_protocol_version\":0,\"min_protocol_version\":0,\"server_v"
    "ersion\":\"2.4.4\",\"success\":true}\000{\"authentication\":\"r=AAMGCQw"
    "PEhUYGx4hJCcqLTAzmiBLWuNcp9hgVsHkUrPW,s=ZPCQFfkAN3IBC98nEX8L"
    "Zw==,i=4096\",\"success\":true}\000{\"error\":\"Unknown user\",\"error_"
    "code\":17,\"success\":false}\000";
static const char bad_magic_heard[] =
    "ERROR: Received an unsupported protocol version. This port i"
    "s for RethinkDB queries. Does your client driver version not"
    " match the server\077\012\000";
static const char old_version_heard[] =
    "ERROR: Received an unsupported protocol version. This port i"
    "s for RethinkDB queries. Does your client driver version not"
    " match the server\077\012\000";
static const char old_key_heard[] =
    "ERROR: Incorrect authorization key.\012\000";
static const char tls_hello_heard[] =
    "ERROR: Received an unsupported protocol version. This port i"
    "s for RethinkDB queries. Does your client driver version not"
    " match the server\077\012\000";
static const char no_method_heard[] =
    "{\"max_protocol_version\":0,\"min_protocol_version\":0,\"server_v"
    "ersion\":\"2.4.4\",\"success\":true}\000{\"error\":\"Expected a string "
    "for `authentication_method`.\",\"error_code\":3,\"success\":false"
    "}\000";
static const char other_version_heard[] =
    "{\"max_protocol_version\":0,\"min_protocol_version\":0,\"server_v"
    "ersion\":\"2.4.4\",\"success\":true}\000{\"error\":\"Unsupported `proto"
    "col_version`.\",\"error_code\":2,\"success\":false}\000";

static const struct recorded {
    const char *name, *query, *body;
    size_t len; /* of the body */
} recorded_answers[] = {
    {"atom",
    "[1,[24,[1,2]]]",
    "{\"t\":1,\"r\":[3]}", 15},
    {"atom_array",
    "[1,[2,[1,\"two\",null,true,{\"a\":2.5}]]]",
    "{\"t\":1,\"r\":[[1,\"two\",null,true,{\"a\":2.5}]]}", 43},
    {"sequence",
    "[1,[173,[3]]]",
    "{\"t\":2,\"r\":[0,1,2],\"n\":[]}", 26},
    {"empty_sequence",
    "[1,[15,[\"t\"]],{\"db\":[14,[\"rec\"]]}]",
    "{\"t\":2,\"r\":[],\"n\":[]}", 21},
    {"insert",
    "[1,[56,[[15,[\"t\"]],{\"id\":1,\"score\":5}],{\"return_changes\":\"al"
    "ways\"}],{\"db\":[14,[\"rec\"]]}]",
    "{\"t\":1,\"r\":[{\"changes\":[{\"new_val\":{\"id\":1,\"score\":5},\"old_v"
    "al\":null}],\"deleted\":0,\"errors\":0,\"inserted\":1,\"replaced\":0,"
    "\"skipped\":0,\"unchanged\":0}]}", 148},
    {"conflict",
    "[1,[56,[[15,[\"t\"]],{\"id\":1}]],{\"db\":[14,[\"rec\"]]}]",
    "{\"t\":1,\"r\":[{\"deleted\":0,\"errors\":1,\"first_error\":\"Duplicate"
    " primary key `id`:\\n{\\n\\t\\\"id\\\":\\t1,\\n\\t\\\"score\\\":\\t5\\n}\\n{\\"
    "n\\t\\\"id\\\":\\t1\\n}\",\"inserted\":0,\"replaced\":0,\"skipped\":0,\"unc"
    "hanged\":0}]}", 192},
    {"update",
    "[1,[53,[[16,[[15,[\"t\"]],1]],[69,[[2,[1]],{\"score\":[24,[[170,"
    "[[10,[1]],\"score\"]],5]]}]]],{\"return_changes\":true}],{\"db\":["
    "14,[\"rec\"]]}]",
    "{\"t\":1,\"r\":[{\"changes\":[{\"new_val\":{\"id\":1,\"score\":10},\"old_"
    "val\":{\"id\":1,\"score\":5}}],\"deleted\":0,\"errors\":0,\"inserted\":"
    "0,\"replaced\":1,\"skipped\":0,\"unchanged\":0}]}", 163},
    {"get_missing",
    "[1,[16,[[15,[\"t\"]],99]],{\"db\":[14,[\"rec\"]]}]",
    "{\"t\":1,\"r\":[null]}", 18},
    {"time",
    "[1,[101,[1700000000.123]]]",
    "{\"t\":1,\"r\":[{\"$reql_type$\":\"TIME\",\"epoch_time\":1700000000.12"
    "3,\"timezone\":\"+00:00\"}]}", 84},
    {"binary",
    "[1,{\"$reql_type$\":\"BINARY\",\"data\":\"aGVsbG8=\"}]",
    "{\"t\":1,\"r\":[{\"$reql_type$\":\"BINARY\",\"data\":\"aGVsbG8=\"}]}", 56},
    {"binary_long",
    "[1,[155,[[24,[\"0123456789012345678901234567890123456789\",\"01"
    "23456789012345678901234567890123456789\"]]]]]",
    "{\"t\":1,\"r\":[{\"$reql_type$\":\"BINARY\",\"data\":\"MDEyMzQ1Njc4OTAx"
    "MjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2"
    "\\r\\nNzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODk=\"}]}", 160},
    {"profile",
    "[1,[24,[1,2]],{\"profile\":true}]",
    "{\"t\":1,\"r\":[3],\"p\":[{\"description\":\"Evaluating ADD.\",\"durati"
    "on(ms)\":0.002943,\"sub_tasks\":[{\"description\":\"Evaluating dat"
    "um.\",\"duration(ms)\":0.000368,\"sub_tasks\":[]},{\"description\":"
    "\"Evaluating datum.\",\"duration(ms)\":0.000121,\"sub_tasks\":[]}]"
    "}]}", 243},
    {"large_number",
    "[1,[24,[9007199254740991,9007199254740991]]]",
    "{\"t\":1,\"r\":[18014398509481982.0]}", 33},
    {"nul_text",
    "[1,\"a\\u0000b\"]",
    "{\"t\":1,\"r\":[\"a\\u0000b\"]}", 24},
    {"client_error",
    "[1,\"\\ud800\"]",
    "{\"t\":16,\"r\":[\"Client is buggy (failed to deserialize query)."
    "\"],\"b\":[]}", 70},
    {"compile_error",
    "[1,[9999,[]]]",
    "{\"t\":17,\"r\":[\"Unrecognized TermType: 9999.\"],\"b\":[]}", 52},
    {"query_logic",
    "[1,[24,[1,\"x\"]]]",
    "{\"t\":18,\"e\":3000000,\"r\":[\"Expected type NUMBER but found STR"
    "ING.\"],\"b\":[]}", 74},
    {"non_existence",
    "[1,[45,[[2,[]],0]]]",
    "{\"t\":18,\"e\":3100000,\"r\":[\"Index out of bounds: 0\"],\"b\":[]}", 58},
    {"op_failed",
    "[1,[15,[\"none\"]],{\"db\":[14,[\"rec\"]]}]",
    "{\"t\":18,\"e\":4100000,\"r\":[\"Table `rec.none` does not exist.\"]"
    ",\"b\":[]}", 68},
    {"user_error",
    "[1,[12,[\"mine\"]]]",
    "{\"t\":18,\"e\":5000000,\"r\":[\"mine\"],\"b\":[]}", 40},
    {"resource_limit",
    "[1,[51,[[173,[1000]],\"array\"]],{\"array_limit\":10}]",
    "{\"t\":18,\"e\":2000000,\"r\":[\"Array over size limit `10`.  To ra"
    "ise the number of allowed elements, modify the `array_limit`"
    " option to `.run` (not available in the Data Explorer), or u"
    "se an index.\"],\"b\":[]}", 202},
    {"server_info",
    "[5]",
    "{\"t\":5,\"r\":[{\"id\":\"5408f7f6-1d8b-46f7-8378-8717782bf46f\",\"na"
    "me\":\"recorded\",\"proxy\":false}]}", 91},
    {"noreply_wait",
    "[4]",
    "{\"t\":4,\"r\":[]}", 14},
    {"stop_unknown",
    "[3]",
    "{\"t\":16,\"r\":[\"Token 28 not in stream cache.\"],\"b\":[]}", 53},
    {"feed_open",
    "[1,[152,[[15,[\"t\"]]],{\"include_initial\":true,\"include_states"
    "\":true}],{\"db\":[14,[\"rec\"]]}]",
    "{\"t\":3,\"r\":[{\"state\":\"initializing\"},{\"new_val\":{\"id\":1,\"sco"
    "re\":10}}],\"n\":[1,5]}", 80},
    {"feed_point",
    "[1,[152,[[16,[[15,[\"t\"]],77]]],{\"include_initial\":true}],{\"d"
    "b\":[14,[\"rec\"]]}]",
    "{\"t\":3,\"r\":[{\"new_val\":null}],\"n\":[2]}", 38},
};
