using System.Text.RegularExpressions;

namespace Peft.Docs.Tests;

/// <summary>The code on a page is code that these tests compile and run: word for word.</summary>
public partial class SnippetTests
{
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "pages");
    private static readonly Dictionary<string, string> Snippets = Read();

    public static TheoryData<string> EveryPage => [.. Pages];

    private static IEnumerable<string> Pages => Directory.EnumerateFiles(Folder, "*.md", SearchOption.AllDirectories).Select(page => Path.GetRelativePath(Folder, page));

    [Theory, MemberData(nameof(EveryPage))]
    public void Every_block_of_csharp_on_a_page_equals_the_snippet_that_it_names(string page)
    {
        foreach (var (id, code) in Blocks(page))
        {
            id.ShouldNotBeEmpty($"{page} has a block without '<!-- snippet: id -->' before it:\n{code}");
            Snippets.ShouldContainKey(id, $"{page} names a snippet that no file in Snippets/ has.");
            code.ShouldBe(Snippets[id], $"{page}, snippet {id}");
        }
    }

    [Fact]
    public void Every_snippet_stands_on_a_page()
        => Snippets.Keys.Except(Pages.SelectMany(Blocks).Select(block => block.Id)).ShouldBeEmpty();

    private static IEnumerable<(string Id, string Code)> Blocks(string page)
        => Block().Matches(File.ReadAllText(Path.Combine(Folder, page)).ReplaceLineEndings("\n"))
            .Select(match => (match.Groups["id"].Value, match.Groups["code"].Value.TrimEnd('\n')));

    private static Dictionary<string, string> Read()
        => Directory.EnumerateFiles(Path.Combine(AppContext.BaseDirectory, "Snippets"), "*.cs")
            .SelectMany(file => Snippet().Matches(File.ReadAllText(file).ReplaceLineEndings("\n")))
            .ToDictionary(match => match.Groups["id"].Value, match => Unindent(match.Groups["code"].Value, match.Groups["indent"].Length));

    private static string Unindent(string code, int indent)
        => string.Join('\n', code.TrimEnd('\n').Split('\n').Select(line => line.Length >= indent ? line[indent..] : line));

    [GeneratedRegex(@"(?:<!-- snippet: (?<id>[\w-]+) -->\n)?```(?:csharp|cs|c#)\n(?<code>.*?)```", RegexOptions.Singleline)]
    private static partial Regex Block();

    [GeneratedRegex(@"^(?<indent> *)// snippet: (?<id>[\w-]+)\n(?<code>.*?)^ *// end$", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Snippet();
}
