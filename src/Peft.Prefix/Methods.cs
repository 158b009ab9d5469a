using Peft;

[assembly: AdapterMethod("PROMPT_TUNING", typeof(PromptTuningOptions))]
[assembly: AdapterMethod("P_TUNING", typeof(PTuningOptions))]
[assembly: AdapterMethod("MULTITASK_PROMPT_TUNING", typeof(MultitaskPromptOptions))]
[assembly: AdapterMethod("CPT", typeof(CptOptions))]
[assembly: AdapterMethod("PREFIX_TUNING", typeof(PrefixTuningOptions))]
[assembly: AdapterMethod("CARTRIDGE", typeof(CartridgeOptions))]
[assembly: AdapterMethod("ADAPTION_PROMPT", typeof(AdaptionPromptOptions))]
