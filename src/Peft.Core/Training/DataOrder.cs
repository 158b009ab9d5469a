namespace Peft;

/// <summary>All settings that determine the order of the training rows.</summary>
internal sealed record DataOrder(int Rows, int BatchSize, int GradientAccumulation, int Seed, bool Shuffle, bool GroupByLength, int StepsPerBatch);
