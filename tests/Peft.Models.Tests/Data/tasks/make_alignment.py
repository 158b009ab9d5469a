# Makes alignment.json by transformers 5.12.1, of test.jsonl: the test sentences of WNUT 2017 (Derczynski et al. 2017, leondz/emerging_entities_17, commit e52a2d2a, CC BY 4.0), of which some are chosen.
import json
from transformers import PreTrainedTokenizerFast
tok = PreTrainedTokenizerFast(tokenizer_file="../tokenizers/bert-wordpiece/tokenizer.json", cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]", unk_token="[UNK]", mask_token="[MASK]", model_input_names=["input_ids", "token_type_ids", "attention_mask"])
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
enc = tok(q, ctx, truncation="only_second", max_length=48, stride=16, return_overflowing_tokens=True, return_offsets_mapping=True)
json.dump({"labels": names, "sentences": out, "question": q, "context": ctx, "windows": enc["input_ids"], "types": enc["token_type_ids"]}, open("alignment.json", "w"), ensure_ascii=False)
print(len(out), len(enc["input_ids"]))
