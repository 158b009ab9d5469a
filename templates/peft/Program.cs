using Peft;
using Peft.Models;

// A folder, a GGUF file, or the id of a model on the Hugging Face hub.
var name = args is [var given, ..] ? given : "HuggingFaceTB/SmolLM2-135M-Instruct";
var tokenizer = Tokenizer.FromPretrained(name);
using var model = CausalLM.FromPretrained(name);

// Each line of data.jsonl is an example: prompt and completion, text, or messages of a chat. CSV and Parquet files work too.
var data = SftDataset.FromFile(Path.Combine(AppContext.BaseDirectory, "data.jsonl"), tokenizer);

using var peft = model.ApplyLora(rank: 8);
peft.PrintTrainableParameters();
var trainer = SftTrainer.Create(peft, data, training: new() { Epochs = 5, BatchSize = 4 });
trainer.Train(new ProgressPrinter());

peft.SaveAdapter("adapter");   // later: model.ApplyAdapter("adapter")
Console.WriteLine(model.Generate("Question: What is the capital of France?\nAnswer:", tokenizer, new() { MaxNewTokens = 8 }));
