namespace Rlhf;

/// <summary>Settings of reinforcement learning, chosen with a seed that the table does not have.</summary>
internal static class Settings
{
    public static double SftRate { get; set; } = 1e-3;
    public static double GrpoBeta { get; set; } = 0.05;
    public static double GrpoRate { get; set; } = 5e-3;
    public static int PpoIterations { get; set; } = 2;
    public static double PpoKl { get; set; } = 0.02;
    public static double PpoRate { get; set; } = 5e-3;
    public static double Bound { get; set; } = 60;
}
