namespace Peft;

/// <summary>A layer whose output at one position depends on the input at others. The model must then mask padding.</summary>
public interface IMixesPositions;
