using System.Text.Json.Nodes;
using Snapshooter.Xunit;

namespace Peft.Cli.Tests;

public class ToolTests
{
    // A missing snapshot fails. SNAPSHOOTER_STRICT_MODE=false writes those of new commands.
    static ToolTests() => Environment.SetEnvironmentVariable("SNAPSHOOTER_STRICT_MODE", Environment.GetEnvironmentVariable("SNAPSHOOTER_STRICT_MODE") ?? "true");

    public static TheoryData<string> Commands => [.. new PeftTool(TextReader.Null, TextWriter.Null, TextWriter.Null).Root().Subcommands.Select(command => command.Name)];

    [Fact]
    public async Task The_help_is_this() => Snapshot.Match((await Tool.RunAsync("--help")).Output);

    [Theory, MemberData(nameof(Commands))]
    public async Task The_help_of_each_command_is_this(string command)
        => Snapshot.Match((await Tool.RunAsync(command, "--help")).Output, Snapshooter.SnapshotNameExtension.Create(command));

    [Theory, MemberData(nameof(Commands))]
    public async Task Every_command_has_json_and_stands_on_its_page(string command)
    {
        (await Tool.RunAsync(command, "--help")).Output.ShouldContain("--json");
        File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "docs", "command-line.md")).ShouldContain($"peft {command}");
    }

    [Fact]
    public async Task The_standard_output_is_empty_if_a_command_is_refused()
    {
        var run = await Tool.RunAsync("info", "/nowhere", "--json");
        (run.Code, run.Output).ShouldBe((1, ""));
        run.Error.ShouldStartWith("peft: /nowhere");
    }

    [Theory]
    [InlineData("Did you mean one of the following?", "trian")]
    [InlineData("Unrecognized command or argument '--rnak'", "train", "--rnak", "8")]
    [InlineData("Which model?", "eval", "-d", "x.txt")]
    [InlineData("Which data?", "eval")]
    [InlineData("Option '--output' is required", "merge")]
    [InlineData("'int'", "export", "--format", "int", "-o", "x")]
    public async Task A_wrong_command_line_ends_with_1_and_says_why(string expected, params string[] args)
    {
        var run = await Tool.RunAsync(args);
        run.Code.ShouldBe(1);
        (run.Output + run.Error).ShouldContain(expected);
        run.Output.ShouldNotContain("--config", Case.Sensitive, "the help would push the message out of sight");
    }

    [Theory]
    [InlineData("tra", "train")]
    [InlineData("train --method lo", "loha", "lokr", "lora")]
    [InlineData("train --dtype bf", "bfloat16")]
    [InlineData("methods ver", "vera", "pvera")]
    [InlineData("completion ", "bash", "fish", "pwsh", "zsh")]
    [InlineData("combine --kind ties", "ties", "ties_svd")]
    [InlineData("train --max-st", "--max-steps")]
    [InlineData("train --task se", "sequence-classification")]
    [InlineData("predict --task tok", "token-classification")]
    public async Task Commands_options_and_values_complete(string line, params string[] expected)
    {
        var suggested = (await Tool.RunAsync($"[suggest:{line.Length}]", line)).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        foreach (var value in expected) suggested.ShouldContain(value);
        var word = line.Split(' ').Last();
        suggested.ShouldAllBe(value => value.Contains(word));
    }

    [Theory]
    [InlineData("bash")]
    [InlineData("zsh")]
    [InlineData("fish")]
    [InlineData("pwsh")]
    public async Task Every_shell_has_its_script(string shell)
    {
        var run = await Tool.RunAsync("completion", shell);
        run.Output.ShouldContain("[suggest:");
        ((string)(await Tool.JsonAsync("completion", shell))["script"]! + "\n").ShouldBe(run.Output);
    }

    [Fact]
    public async Task Methods_lists_all_and_the_settings_of_one()
    {
        var all = (await Tool.JsonAsync("methods")).AsArray();
        all.Count.ShouldBe(AdapterMethods.Known.Count);
        all.Select(method => (string)method!["method"]!).ShouldContain("lora");
        var lora = await Tool.JsonAsync("methods", "lora");
        var rank = lora["settings"]!.AsArray().Single(setting => (string)setting!["name"]! == "r")!;
        ((string)rank["property"]!, (string)rank["type"]!, (string)rank["default"]!).ShouldBe(("Rank", "int", "8"));
        (await Tool.RunAsync("methods", "lroa")).Code.ShouldBe(1);
        (await Tool.RunAsync("methods")).Output.ShouldContain("prefix_tuning");
    }

    // Every setting that the tool lists can be given: the names of one are those of the other.
    [Fact]
    public async Task Every_method_lists_its_settings()
    {
        foreach (var method in AdapterMethods.Known.Keys)
        {
            var settings = (await Tool.JsonAsync("methods", method))["settings"]!.AsArray();
            settings.Select(setting => (string)setting!["name"]!).ShouldBeUnique();
        }
    }

    [Fact]
    public async Task Doctor_finds_this_machine_able()
    {
        var run = await Tool.RunAsync("doctor", "--json");
        var findings = JsonNode.Parse(run.Output)!["findings"]!.AsArray().ToDictionary(finding => (string)finding!["name"]!, finding => finding!);
        ((string)findings["libtorch"]["value"]!).ShouldContain("TorchSharp");
        findings["libtorch"]["problem"].ShouldBeNull();
        findings.Keys.ShouldContain("cache of models");
        run.Code.ShouldBe(findings.Values.All(finding => finding["problem"] is null) ? 0 : 1);
        (await Tool.RunAsync("doctor")).Output.ShouldContain("✓");
    }

    [Fact]
    public async Task Models_lists_architectures() => (await Tool.JsonAsync("models"))["architectures"]!.AsArray().Select(name => (string)name!).ShouldContain("llama");

    [Fact]
    public void A_sparkline_goes_from_the_greatest_to_the_least_of_what_falls()
    {
        Sparkline.Of([8, 7, 6, 5, 4, 3, 2, 1], 8).ShouldBe("█▇▆▅▄▃▂▁");
        Sparkline.Of([8, double.NaN, 1], 2).ShouldBe("█▁");
        Sparkline.Of([1, 1, 1], 8).ShouldBe("▁▁▁");
        Sparkline.Of([], 8).ShouldBeEmpty();
        Sparkline.Of([.. Enumerable.Range(0, 100).Select(i => (double)i)], 8).ShouldBe("▁▂▃▄▅▆▇█");
    }

    [Theory]
    [InlineData("out", "out")]
    [InlineData("a folder", "'a folder'")]
    [InlineData("it's", "'it'\\''s'")]
    [InlineData("", "''")]
    [InlineData("$HOME", "'$HOME'")]
    public void A_command_that_is_printed_can_be_pasted_into_a_shell(string argument, string expected) => Show.Quoted(argument).ShouldBe(expected);
}
