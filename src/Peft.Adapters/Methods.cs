using Peft;

[assembly: AdapterMethod("IA3", typeof(Ia3Options))]
[assembly: AdapterMethod("LN_TUNING", typeof(LayerNormTuningOptions))]
[assembly: AdapterMethod("BITFIT", typeof(BitFitOptions))]
[assembly: AdapterMethod("BEFT", typeof(BeftOptions))]
[assembly: AdapterMethod("OFT", typeof(OftOptions))]
[assembly: AdapterMethod("BOFT", typeof(BoftOptions))]
[assembly: AdapterMethod("HRA", typeof(HraOptions))]
[assembly: AdapterMethod("ROAD", typeof(RoadOptions))]
[assembly: AdapterMethod("BOTTLENECK", typeof(BottleneckOptions))]
[assembly: AdapterMethod("ADAPTER_FUSION", typeof(FusionOptions))]
[assembly: AdapterMethod("GATED_LORA", typeof(GatedLoraOptions))]
[assembly: AdapterMethod("REFT", typeof(ReftOptions))]
