using Peft.Tokenizers;

namespace Peft;

/// <summary>
/// The components of a tokenizer around its model: normalizer and pre-tokenizer, which precede it, and post-processor and decoder, which follow it.
/// Each is the JSON of that component in <c>tokenizer.json</c>; null for none.
/// </summary>
public sealed record TokenizerParts
{
    /// <summary>The <c>normalizer</c>.</summary>
    public string? Normalizer { get; init; }

    /// <summary>The <c>pre_tokenizer</c>. Tokens never cross the boundaries of its pieces.</summary>
    public string? PreTokenizer { get; init; }

    /// <summary>The <c>post_processor</c>. A trainer fills in the ids of a <c>TemplateProcessing</c>'s special tokens.</summary>
    public string? PostProcessor { get; init; }

    /// <summary>The <c>decoder</c>.</summary>
    public string? Decoder { get; init; }

    /// <summary>Characters that the pre-tokenizer can produce even if the training texts lack them. A trainer's initial alphabet contains them.</summary>
    public string Alphabet { get; init => field = value ?? throw new ArgumentNullException(nameof(value)); } = "";

    /// <summary>
    /// GPT-2's components (Radford et al. 2019): texts are split into words and spelled in 256 characters, one for each byte, so texts never have unknown characters.
    /// </summary>
    /// <param name="addPrefixSpace">True to tokenize the first word of a text like the others, which follow a space.</param>
    public static TokenizerParts ByteLevel(bool addPrefixSpace = false) => new()
    {
        PreTokenizer = $$"""{ "type": "ByteLevel", "add_prefix_space": {{Json(addPrefixSpace)}}, "trim_offsets": true, "use_regex": true }""",
        PostProcessor = $$"""{ "type": "ByteLevel", "add_prefix_space": {{Json(addPrefixSpace)}}, "trim_offsets": false, "use_regex": true }""",
        Decoder = """{ "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true }""",
        Alphabet = string.Concat(Enumerable.Range(0, 256).Select(value => ByteAlphabet.LetterOf((byte)value))),
    };

    /// <summary>BERT's components (Devlin et al. 2019, arXiv:1810.04805): cleaned text, words and punctuation, <c>[CLS]</c> and <c>[SEP]</c> around texts and pairs.</summary>
    /// <param name="lowercase">True to lowercase, and to remove accents unless <paramref name="stripAccents"/> says otherwise.</param>
    /// <param name="stripAccents">True to remove accents; null to remove them if the text is lowercased.</param>
    /// <param name="splitChinese">True to treat each Chinese character as a word.</param>
    public static TokenizerParts Bert(bool lowercase = true, bool? stripAccents = null, bool splitChinese = true) => new()
    {
        Normalizer = $$"""{ "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": {{Json(splitChinese)}}, "strip_accents": {{Json(stripAccents)}}, "lowercase": {{Json(lowercase)}} }""",
        PreTokenizer = """{ "type": "BertPreTokenizer" }""",
        PostProcessor = """
            {
              "type": "TemplateProcessing",
              "single": [{ "SpecialToken": { "id": "[CLS]", "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } }, { "SpecialToken": { "id": "[SEP]", "type_id": 0 } }],
              "pair": [{ "SpecialToken": { "id": "[CLS]", "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } }, { "SpecialToken": { "id": "[SEP]", "type_id": 0 } }, { "Sequence": { "id": "B", "type_id": 1 } }, { "SpecialToken": { "id": "[SEP]", "type_id": 1 } }],
              "special_tokens": { "[CLS]": { "id": "[CLS]", "ids": [], "tokens": ["[CLS]"] }, "[SEP]": { "id": "[SEP]", "ids": [], "tokens": ["[SEP]"] } }
            }
            """,
        Decoder = """{ "type": "WordPiece", "prefix": "##", "cleanup": true }""",
    };

    /// <summary>SentencePiece's components (Kudo and Richardson 2018, arXiv:1808.06226): compatibility normalization, and the metaspace character ▁, which represents the space before a word.</summary>
    public static TokenizerParts Metaspace() => new()
    {
        Normalizer = """{ "type": "Sequence", "normalizers": [{ "type": "Nmt" }, { "type": "NFKC" }, { "type": "Replace", "pattern": { "Regex": " {2,}" }, "content": " " }] }""",
        PreTokenizer = """{ "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true }""",
        Decoder = """{ "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true }""",
    };

    private static string Json(bool? value) => value switch { null => "null", true => "true", false => "false" };
}
