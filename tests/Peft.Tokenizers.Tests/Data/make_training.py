"""Trains the tokenizers of Data/training with Hugging Face's tokenizers (0.23.1) and writes their vocabularies, merges and encodings.

python3 make_training.py

english.txt is the beginning of tinyshakespeare (public domain), code.txt is code of this repository, unicode.txt is written for these tests.
Every case is trained in several processes, since the library's hash tables have a random order: only what is the same in all is expected. Where it numbers
characters in that order (with an affix), the characters are listed as special tokens first, which fixes their ids.
"""
import json, pathlib, subprocess, sys
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

OUT = pathlib.Path(__file__).parent / "training"
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def words(text, tokenizer):
    for line in (OUT / f"{text}.txt").open(encoding="utf-8", newline="").read().splitlines(keepends=True):
        if tokenizer.normalizer: line = tokenizer.normalizer.normalize_str(line)
        yield from (word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(line))


def affixed(text, tokenizer, prefix="", suffix=""):
    found = set()
    for word in words(text, tokenizer):
        for i, c in enumerate(word):
            found |= {c, (prefix if i > 0 else "") + c + (suffix if i == len(word) - 1 else "")}
    return sorted(found)


def byte_level(text, size, **options):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer, trainers.BpeTrainer(vocab_size=size, special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False, **options)


def plain(text, size, special=("<unk>",), **options):
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer, trainers.BpeTrainer(vocab_size=size, special_tokens=list(special), show_progress=False, **options)


def suffixed(text, size, **options):
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer, trainers.BpeTrainer(vocab_size=size, special_tokens=["<unk>", *affixed(text, tokenizer, suffix="</w>")], end_of_word_suffix="</w>", show_progress=False, **options)


def word_piece(text, size, lowercase=True, **options):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer, trainers.WordPieceTrainer(vocab_size=size, special_tokens=[*BERT, *affixed(text, tokenizer, prefix="##")], show_progress=False, **options)


def unigram(text, size, **options):
    from tokenizers import Regex
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    return tokenizer, trainers.UnigramTrainer(vocab_size=size, special_tokens=["<unk>", "<s>", "</s>"], unk_token="<unk>", show_progress=False, **options)


CASES = {
    "bytes-english": (byte_level, "english", 1500, dict(min_frequency=2)),
    "bytes-english-all": (byte_level, "english", 30000, {}),
    "bytes-code": (byte_level, "code", 1200, {}),
    "bytes-unicode": (byte_level, "unicode", 700, dict(min_frequency=2)),
    "bpe-unicode": (plain, "unicode", 900, dict(special=["<unk>", "<pad>"], initial_alphabet=["q", "ß", "😈"])),
    "bpe-limited": (plain, "english", 800, dict(limit_alphabet=40, min_frequency=3)),
    "bpe-short": (plain, "english", 700, dict(max_token_length=5)),
    "bpe-suffix": (suffixed, "english", 900, dict(min_frequency=2)),
    "wordpiece-english": (word_piece, "english", 1000, dict(min_frequency=2)),
    "wordpiece-unicode": (word_piece, "unicode", 900, dict(lowercase=False)),
    "unigram-english": (unigram, "english", 600, {}),
    "unigram-small": (unigram, "english", 300, {}),
    "unigram-code": (unigram, "code", 300, dict(max_piece_length=8, shrinking_factor=0.6, n_sub_iterations=3)),
    "unigram-unicode": (unigram, "unicode", 460, {}),
}


def train(name):
    make, text, size, options = CASES[name]
    tokenizer, trainer = make(text, size, **options)
    tokenizer.train([str(OUT / f"{text}.txt")], trainer)
    model = json.loads(tokenizer.to_str())["model"]
    strings = [line for line in (OUT / f"{text}.txt").read_text(encoding="utf-8").split("\n")[:40] if line] + ["Unseen words: zyzzyva, Κόσμε!"]
    result = {"text": text, "size": size, "vocab": model["vocab"]}
    if "merges" in model: result["merges"] = model["merges"]
    if make is not unigram: result["special"] = [token["content"] for token in json.loads(tokenizer.to_str())["added_tokens"]]
    result["strings"], result["tokens"] = strings, [tokenizer.encode(string, add_special_tokens=False).tokens for string in strings]
    return result


if len(sys.argv) > 1:
    print(json.dumps(train(sys.argv[1])))
else:
    for name in CASES:
        runs = [json.loads(subprocess.run([sys.executable, __file__, name], check=True, capture_output=True, text=True).stdout) for _ in range(4)]
        if name.startswith("unigram"):
            scores = [dict(run["vocab"]) for run in runs]
            pieces = list(scores[0])
            assert all(set(each) == set(pieces) for each in scores), name
            spread = {p: max(each[p] for each in scores) - min(each[p] for each in scores) for p in pieces}
            # Characters that the model dropped get scores in a random order.
            runs[0]["unordered"] = [p for p in pieces if spread[p] > 1e-5]
            assert all(len(p) == 1 for p in runs[0]["unordered"]), name
            print(name, len(pieces), "pieces, unordered:", len(runs[0]["unordered"]), ", largest difference of the others' scores:", max(d for p, d in spread.items() if p not in runs[0]["unordered"]))
            same = [i for i in range(len(runs[0]["strings"])) if all(run["tokens"][i] == runs[0]["tokens"][i] for run in runs)]
            for field in ["strings", "tokens"]: runs[0][field] = [runs[0][field][i] for i in same]
        else:
            same = all(run == runs[0] for run in runs)
            print(name, len(runs[0]["vocab"]), "tokens,", len(runs[0].get("merges", [])), "merges, the same in all runs:", same)
            assert same, name
        (OUT / f"{name}.json").write_text(json.dumps(runs[0], ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
