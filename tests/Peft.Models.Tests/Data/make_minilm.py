"""What transformers 5.12 computes with all-MiniLM-L6-v2 in the folder that examples/IntentClassification writes: hidden states and pooler of some sentences.
    python make_minilm.py <model folder> <output.json>
"""
import sys, json, torch, transformers as tf
m = tf.AutoModel.from_pretrained(sys.argv[1]).eval()
tk = tf.PreTrainedTokenizerFast(tokenizer_file=sys.argv[1] + "/tokenizer.json", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]", mask_token="[MASK]")
texts = ["I am still waiting on my card?", "My card has not arrived yet.", "What currencies do you exchange?", "The weather in Paris is fine."]
x = tk(texts, padding=True, return_tensors="pt"); ids, mask = x["input_ids"], x["attention_mask"]
with torch.no_grad(): o = m(input_ids=ids, attention_mask=mask)
k = mask.unsqueeze(-1); e = torch.nn.functional.normalize((o.last_hidden_state * k).sum(1) / k.sum(1))
r = lambda t: [[round(float(v), 7) for v in row] for row in t]
json.dump({"texts": texts, "ids": ids.tolist(), "mask": mask.tolist(), "first": r(o.last_hidden_state[:, 0]), "last_token": r(o.last_hidden_state[torch.arange(4), mask.sum(1) - 1]), "pooled": r(o.pooler_output), "embeddings": r(e)}, open(sys.argv[2], "w"))
print((e @ e.T))
