using System.Text.RegularExpressions;

namespace Peft.Cli.Tests;

/// <summary>The commands of the page run, in the order in which they stand there.</summary>
public sealed partial class PageTests : IDisposable
{
    private static readonly string Page = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "docs", "command-line.md")).ReplaceLineEndings("\n");

    private readonly string before = Environment.CurrentDirectory;
    private readonly TemporaryFolder folder = new();

    public PageTests()
    {
        foreach (var file in Directory.EnumerateFiles(Tool.Model)) folder.Write($"models/stories260K/{Path.GetFileName(file)}", File.ReadAllBytes(file));
        foreach (var name in new[] { "pairs.jsonl", "labels.jsonl", "prompts.jsonl", "completions.jsonl", "chat.jinja" }) File.Copy(Tool.Data(name), folder[name]);
        File.Copy(Tool.Text, folder["train.txt"]);
        foreach (var (name, rows) in new[] { ("intents", "banking77"), ("sentences", "wnut17") }) File.WriteAllLines(folder[$"{name}.jsonl"], File.ReadLines(Path.Combine(AppContext.BaseDirectory, rows, "train.jsonl")).Take(40));
        folder.Write("questions.csv", "question,answer\n" + string.Concat(Enumerable.Range(0, 20).Select(i => $"What is {i}?, a number\n")));
        folder.Write("run.yaml", Yaml().Match(Page).Groups[1].Value);
        Environment.CurrentDirectory = folder;
    }

    public void Dispose()
    {
        Environment.CurrentDirectory = before;
        folder.Dispose();
    }

    [Fact]
    public async Task Every_command_on_the_page_does_what_it_shows()
    {
        var commands = Shell().Matches(Page).SelectMany(block => block.Groups[1].Value.Split('\n')).Where(line => line.StartsWith("peft ", StringComparison.Ordinal)).ToList();
        commands.Count.ShouldBeGreaterThan(20);
        foreach (var command in commands)
        {
            var run = await Tool.InteractAsync("Hello\n/exit\n", null, [.. Words().Matches(command["peft ".Length..]).Select(word => word.Value.Trim('"'))]);
            run.Code.ShouldBe(0, $"{command}\n{run.Error}");
            run.Output.ShouldNotBeEmpty(command);
        }
        File.Exists("runs/first/report.html").ShouldBeTrue();
        File.Exists("comparison.html").ShouldBeTrue();
        ((LoraOptions)AdapterConfig.Read("runs/from-file")).UseDora.ShouldBeTrue();
    }

    [GeneratedRegex("```sh\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Shell();

    [GeneratedRegex("```yaml\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Yaml();

    [GeneratedRegex("\"[^\"]*\"|\\S+")]
    private static partial Regex Words();
}
