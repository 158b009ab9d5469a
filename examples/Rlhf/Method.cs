namespace Rlhf;

/// <summary>A method of reinforcement learning.</summary>
internal enum Method { Ppo, Grpo }
