namespace Peft.Alignment.Tests.Online;

public sealed class KilledRunTests : IDisposable
{
    private readonly TemporaryFolder root = new();

    public void Dispose() => root.Dispose();

    [Theory, InlineData("grpo"), InlineData("ppo")]
    public async Task A_run_killed_at_any_moment_ends_with_the_numbers_of_an_uninterrupted_one(string method)
    {
        var (whole, broken) = (root["whole"], root["broken"]);
        (await TrainingHost.RunUntil([whole, method])).ShouldBeFalse();
        var expected = await File.ReadAllTextAsync(Path.Combine(whole, "result.txt"));
        expected.ShouldStartWith($"16 steps of {method}");

        // Within the scoring of completions (the first before any checkpoint), between the steps that use them, and at any moment of a step or a checkpoint.
        var random = new Random(21);
        (string Line, int Count, int Milliseconds)[] kills = [("scoring", 3, 0), ("step", 4, 0), ("scoring", 5, 0), ("step", 1 + random.Next(4), random.Next(30)), ("step", 3, random.Next(30))];
        foreach (var (line, count, milliseconds) in kills) (await TrainingHost.RunUntil([broken, method], line, count, milliseconds)).ShouldBeTrue();
        (await TrainingHost.RunUntil([broken, method])).ShouldBeFalse();
        (await File.ReadAllTextAsync(Path.Combine(broken, "result.txt"))).ShouldBe(expected);
    }
}
