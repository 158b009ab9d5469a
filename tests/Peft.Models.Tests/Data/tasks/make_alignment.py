# Makes alignment.json by transformers 5.12.1, of test.jsonl: the test sentences of WNUT 2017 (Derczynski et al. 2017, leondz/emerging_entities_17, commit e52a2d2a, CC BY 4.0), of which some are chosen.
import json
from transformers import PreTrainedTokenizerFast
tok = PreTrainedTokenizerFast(tokenizer_file="../../../Peft.Tokenizers.Tests/Data/tokenizers/bert-wordpiece/tokenizer.json", cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]", unk_token="[UNK]", mask_token="[MASK]", model_input_names=["input_ids", "token_type_ids", "attention_mask"])
rows = [json.loads(l) for l in open("test.jsonl")]
names = ["O"] + sorted({t for r in rows for t in r["tags"]} - {"O"})
out = []
# sentences with entities first, then such with odd characters
rows = [r for r in rows if any(t != "O" for t in r["tags"])][:30] + [r for r in rows if any(ord(c) > 0x2000 for w in r["tokens"] for c in w)][:30]
for r in rows:
    enc = tok(r["tokens"], is_split_into_words=True)
    labels, before = [], None
    for w in enc.word_ids():
        labels.append(-100 if w is None or w == before else names.index(r["tags"][w]))
        before = w
    out.append({"tokens": r["tokens"], "tags": r["tags"], "ids": enc["input_ids"], "labels": labels})
q = "who speaks?"
ctx = " ".join(" ".join(r["tokens"]) for r in rows[:6])
# tokenizers 0.23 loses windows where a pair is truncated in the call: the context's are made by its encoding.
pair = tok(q, ctx)
room = 48 - pair["token_type_ids"].count(0) - 1
parts = tok._tokenizer.encode(ctx, add_special_tokens=False)
parts.truncate(room, stride=16)
before = pair["input_ids"][:pair["token_type_ids"].count(0)]
windows = [before + part.ids + [tok.sep_token_id] for part in [parts] + parts.overflowing]
types = [[0] * len(before) + [1] * (len(w) - len(before)) for w in windows]
json.dump({"labels": names, "sentences": out, "question": q, "context": ctx, "windows": windows, "types": types}, open("alignment.json", "w"), ensure_ascii=False)
print(len(out), len(windows))
