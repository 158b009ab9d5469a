using System.Reflection;
using System.Text.RegularExpressions;

namespace Peft.Docs.Tests;

/// <summary>The site that <c>./build.sh site</c> builds of the pages.</summary>
public partial class SiteTests
{
    private static readonly string Docs = typeof(SiteTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(each => each.Key == "DocsFolder").Value!;

    [Fact]
    public void Every_page_is_in_the_table_of_contents()
    {
        var listed = Entry().Matches(File.ReadAllText(Path.Combine(Docs, "guides", "toc.yml"))).Select(match => match.Groups[1].Value);
        var pages = Directory.GetFiles(Docs, "*.md").Select(file => Path.GetFileName(file)).Where(name => name != "index.md");
        listed.Order(StringComparer.Ordinal).ShouldBe(pages.Order(StringComparer.Ordinal));
    }

    [GeneratedRegex(@"href: \.\./([\w-]+\.md)")]
    private static partial Regex Entry();
}
