namespace Peft.Adapters;

/// <summary>Position of a bottleneck adapter in a transformer layer.</summary>
internal enum BottleneckPlace { Attention, CrossAttention, FeedForward }
