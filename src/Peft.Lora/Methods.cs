using Peft;

[assembly: AdapterMethod("LORA", typeof(LoraOptions))]
