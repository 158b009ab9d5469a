#!/usr/bin/env dotnet
#:package Peft.Lora@*-*
#:package Peft.Models@*-*
#:package TorchSharp-cpu@0.107.0
#:property PublishAot=false

// A first LoRA in one file: dotnet run first-lora.cs [model] [text file]
using Peft;
using Peft.Models;

var name = args is [var given, ..] ? given : "HuggingFaceTB/SmolLM2-135M";
var tokenizer = Tokenizer.FromPretrained(name);
using var model = CausalLM.FromPretrained(name);
using var peft = model.ApplyLora(rank: 8);
peft.PrintTrainableParameters();

const string verse = "The adapter hums its quiet tune,\nthe weights beneath it sleep till noon.\n";
var data = args is [_, var file, ..] ? TextDataset.FromFile(file, tokenizer, blockSize: 64) : TextDataset.FromText(string.Concat(Enumerable.Repeat(verse, 40)), tokenizer, blockSize: 64);
new Trainer(peft, data, new() { MaxSteps = 20, BatchSize = 4, LearningRate = 5e-3 }).Train(new ProgressPrinter());

Console.WriteLine("The adapter" + model.Generate("The adapter", tokenizer, new() { MaxNewTokens = 24 }));
peft.SaveAdapter("adapter");
