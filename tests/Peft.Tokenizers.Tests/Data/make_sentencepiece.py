"""Trains the models of Data/sentencepiece on a text (tinyshakespeare, public domain) and writes what sentencepiece 0.2.0 makes of some strings.

python3 make_sentencepiece.py train.txt
"""
import io, json, pathlib, random, sys, unicodedata
import sentencepiece as spm
from sentencepiece import sentencepiece_model_pb2 as format

OUT = pathlib.Path(__file__).parent / "sentencepiece"
lines = [line for line in pathlib.Path(sys.argv[1]).read_text().splitlines() if line.strip()][:6000]
rules = pathlib.Path("rules.tsv")


def codes(text): return " ".join(f"{ord(c):X}" for c in text)


# A part of NFKC that fits a small file: compatibility forms, composed letters, spaces to the space, marks without width to nothing.
pairs = {chr(c): unicodedata.normalize("NFKC", chr(c)) for c in [*range(0xA0, 0x180), *range(0xFF01, 0xFF5F), *range(0xFB00, 0xFB07), 0x2460, 0x3392, 0x33A5, 0x1F100]}
pairs |= {unicodedata.normalize("NFD", c): c for c in "éèêëáàâäíóöúüñçÅő" + "\u1e69\u01d6"}
pairs |= {c: " " for c in "\t\n\r\u00a0\u2003\u3000"} | {c: "" for c in "\u200b\u00ad\x01\x7f"} | {"...": "\u2026", "..": "\u2025", "(c)": "\u00a9"}
rules.write_text("".join(f"{codes(a)}\t{codes(b)}\n" for a, b in sorted(pairs.items()) if a != b))

common = dict(sentence_iterator=None, minloglevel=2, hard_vocab_limit=False)
models = {
    "unigram": dict(model_type="unigram", vocab_size=420, normalization_rule_tsv=str(rules), user_defined_symbols=["<sep>", "KING", "\u2603 snow"], pad_id=3, control_symbols=["<ctl>"]),
    "unigram-bytes": dict(model_type="unigram", vocab_size=600, byte_fallback=True, add_dummy_prefix=False, normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True),
    "bpe-bytes": dict(model_type="bpe", vocab_size=620, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True, allow_whitespace_only_pieces=True),
    "bpe": dict(model_type="bpe", vocab_size=400, normalization_rule_tsv=str(rules), treat_whitespace_as_suffix=True, user_defined_symbols=["<mask>", "the\u2581"], unk_surface="?"),
}
strings = ["", " ", "  ", "a", " a", "a ", "  a  b  ", "Hello, world!", "\u2581", "\u2581a\u2581", "a\u2581 b", "\t\n", "x\ty", "a\u00a0b", "\u3000a\u3000", "\u200b", "a\u200bb\u200b c", "\u200b \u200b", "\u00ad a",
           "e\u0301te\u0301", "\u00e9t\u00e9", "s\u0323\u0307", "\u01d6\u0308", "A\u030a", "\ufb03x\ufb01", "\uff28\uff45\uff4c\uff4c\uff4f", "\u2460\u3392\u33a5", "\U0001F600", "\U0001F468\u200d\U0001F469\u200d\U0001F467", "\u4f60\u597d \u4e16\u754c", "\u3053\u3093\u306b\u3061\u306f",
           "\u0645\u0631\u062d\u0628\u0627", "\u05e9\u05dc\u05d5\u05dd", "\U00010348", "a\U00010348b", "KING", "KING HENRY", "xKINGx", "<sep>", "a<sep>b", " <sep> ", "\u2603 snow", "\u2603  snow", "\u2603", "<mask>", "a<mask>b", "the the the", "the ", "thethe",
           "...", "....", "..", ".", "a...b..c.", "(c) 2024", "12345 67", "3.14159", "\x00", "a\x00b", "\x01\x7f", "\ufffd", "\u2047", "\U0010ffff", "!" * 40, "ab" * 60, " " * 30, "\n\n\nKING RICHARD III:\n\n", "<0x41>", "<0x41>A", "zzzzqqqq", "QXZ\u00dfj", "\r\n", "a\r\nb"]
random.seed(5)
alphabet = "etaoin shrdlu  ETA.,'\u2581\u00e9\u00df\u4e2d\U0001F600\t0189-\u200be\u0301\ufb01KING"
strings += random.sample(lines, 120) + [random.choice(lines)[random.randrange(8):random.randrange(12, 60)] for _ in range(60)]
strings += ["".join(random.choice(alphabet) for _ in range(random.randrange(1, 30))) for _ in range(150)]
strings += ["".join(random.choice("the andou\u2581 ") for _ in range(random.randrange(5, 80))) for _ in range(60)] + [" ".join(random.sample(lines, 6))]
strings = list(dict.fromkeys(s for s in strings if not any(name in s for name in ("<s>", "</s>", "<unk>", "<pad>"))))

expected = {"strings": strings}
for name, options in models.items():
    out = io.BytesIO()
    spm.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_writer=out, **{k: v for k, v in {**common, **options}.items() if k != "sentence_iterator"})
    proto = format.ModelProto.FromString(out.getvalue())
    proto.trainer_spec.ClearField("input")
    if name == "bpe":   # some tokens that may be joined, but not stay
        for piece in proto.pieces[60:90:7]: piece.type = format.ModelProto.SentencePiece.UNUSED
    if name == "unigram":
        for piece in proto.pieces[100:140:9]: piece.type = format.ModelProto.SentencePiece.UNUSED
    (OUT / f"{name}.model").write_bytes(proto.SerializeToString())
    processor = spm.SentencePieceProcessor(model_proto=proto.SerializeToString())
    ids = [processor.encode(s) for s in strings]
    expected[name] = {"ids": ids, "decoded": [processor.decode(i) for i in ids]}
(OUT / "expected.json").write_text(json.dumps(expected, separators=(",", ":")) + "\n")
