using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;

namespace Peft.Tokenizers.Tests.Limits;

public class TemplateLimitTests
{
    private static readonly ChatMessage[] Nothing = [];

    // s is a text of 16,777,216 letters, l a list of a million items, d a dict that holds itself.
    private const string Large = "{% set s = 'a' * 16777216 %}{% set l = [0] * 1000000 %}{% set d = {} %}{% set _ = d.update(a=d) %}{% set ns = namespace(v=s, w='') %}";

    [Theory]
    [InlineData("{{ [0] * 268000000 }}")]
    [InlineData("{{ 'a' * 10**9 }}")]
    [InlineData("{{ (1, 2) * 10**9 }}")]
    [InlineData("{% for i in range(99) %}{% set ns.v = ns.v + ns.v %}{% endfor %}")]
    [InlineData("{% for i in range(99) %}{% set ns.v = ns.v ~ ns.v %}{% endfor %}")]
    [InlineData("{% for i in range(99) %}{% set ns.v = ns.v.replace('a', 'aa') %}{% endfor %}")]
    [InlineData("{% for i in range(99) %}{% set ns.v = ns.v | replace('a', 'aa') %}{% endfor %}")]
    [InlineData("{% for i in range(99) %}{% set ns.v = [ns.v, ns.v] %}{% endfor %}{{ ns.v }}")]
    [InlineData("{% for i in range(99) %}{% set ns.v = [ns.v, ns.v] %}{% endfor %}{{ ns.v | tojson }}")]
    [InlineData("{% for i in range(99) %}{% set l = l + l %}{% set _ = l.extend(l) %}{% set _ = l.extend(l) %}{% set _ = l.extend(l) %}{% set _ = l.extend(l) %}{% endfor %}")]
    [InlineData("{% set ns.v = s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s %}")]
    [InlineData("{{ [s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s] | join(s) }}")]
    [InlineData("{{ l | join(s) }}")]
    [InlineData("{{ s.join(s) }}")]
    [InlineData("{{ ([s] * 1000) | string }}")]
    [InlineData("{{ ([s] * 1000) | tojson }}")]
    [InlineData("{{ ('\\x01' * 67108864) | tojson }}")]
    [InlineData("{{ ['\\x01' * 67108864] }}")]
    [InlineData("{{ l | tojson(separators=(s, ':')) }}")]
    [InlineData("{{ l | tojson(indent=s) }}")]
    [InlineData("{{ '%(a)s' * 10000 % {'a': s} }}")]
    [InlineData("{{ ('{0}' * 10000).format(s) }}")]
    [InlineData("{{ ('%999999d' * 10000) | format(*l[:10000]) }}")]
    [InlineData("{{ 'a'.center(10**9) }}")]
    [InlineData("{{ 'a'.zfill(10**9) }}")]
    [InlineData("{{ s | replace('', s) }}")]
    [InlineData("{{ s | indent('a' * 10**6, true) | indent(s, true) }}{{ ('\\n' * 10**6) | indent(s, true, true) }}")]
    [InlineData("{{ s | title }}")]
    [InlineData("{{ ('&' * 10**8) | escape }}")]
    [InlineData("{{ strftime_now('%c' * 10**7) }}")]
    [InlineData("{{ ('a ' * 10**8).split() | length }}")]
    [InlineData("{{ (s * 8)[::-1] }}")]
    [InlineData("{{ range(10**9) | list }}")]
    [InlineData("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")]
    [InlineData("{% for a in range(99999) %}{% for b in range(99999) %}{{ loop.cycle('a', 'b') }}{% endfor %}{% endfor %}")]
    [InlineData("{% for a in range(99999) %}{% set ns.w = s.find('b') %}{% endfor %}")]
    [InlineData("{% for a in range(99999) %}{% set ns.w = 'b' in s %}{% endfor %}")]
    [InlineData("{% for a in range(99999) %}{% set ns.w = s == 'a' * 1 ~ s[1:] %}{% endfor %}")]
    [InlineData("{% for a in range(99999) %}{% set ns.w = s | length %}{% endfor %}")]
    [InlineData("{% for a in range(99999) %}{% set ns.w = s[9999999] %}{% endfor %}")]
    [InlineData("{% for a in range(99999) %}{% set ns.w = s is upper %}{% endfor %}")]
    [InlineData("{% for a in range(99999) %}{% set ns.w = s | wordcount %}{% endfor %}")]
    [InlineData("{% for a in range(99999) %}{% set ns.w = s.isalpha() %}{% endfor %}")]
    [InlineData("{% for a in range(99999) %}{% set ns.w = s.strip('ab') | length %}{% endfor %}")]
    [InlineData("{% for a in range(99999) %}{% set ns.w = ('a' * 65536 ~ 'b' ~ 'a' * 65536) in s %}{% endfor %}")]
    [InlineData("{% for a in range(99999) %}{% set _ = l.insert(0, 1) %}{% endfor %}")]
    [InlineData("{% for a in range(99999) %}{% set _ = l.pop(0) %}{% endfor %}{% for a in range(99999) %}{% set _ = l.reverse() %}{% endfor %}")]
    [InlineData("{% for a in range(99999) %}{% set _ = l.index(1) %}{% endfor %}")]
    [InlineData("{% for a in range(99999) %}{% set _ = l.count(1) %}{% endfor %}")]
    [InlineData("{% for a in range(99999) %}{% set ns.w = x[s] is defined %}{% set ns.w = d[s] is defined %}{% endfor %}")]
    [InlineData("{{ (('a,' * 2000000).rsplit(',') | length) }}{{ (('a,' * 2000000).rsplit(',') | length) }}{{ (('a,' * 9000000).rsplit(',') | length) }}")]
    [InlineData("{{ ('{0' ~ '.a' * 4000000 ~ '}').format(d) }}{% for i in range(9999) %}{{ ('{0' ~ '.a' * 4000000 ~ '}').format(d) }}{% endfor %}")]
    [InlineData("{{ l | map(attribute='a' ~ '.a' * 4000000) | list }}")]
    [InlineData("{{ '%' ~ '0' * 4000000 ~ '!' % 1 }}{{ ('%' ~ '0' * 4000000 ~ '!') % 1 }}")]
    [InlineData("{% for a in range(99999) %}{% set ns.w = '%.999999f' % 0.1 %}{% endfor %}")]
    [InlineData("{% for a in range(99999) %}{% set ns.w = '%.999999e' % 0.1 %}{% endfor %}")]
    [InlineData("{% for a in range(99999) %}{% set ns.w = '{:.999999}'.format(0.1) %}{% endfor %}")]
    [InlineData("{% set ns.v = {} %}{% for a in range(99999) %}{% for b in range(99) %}{% set _ = ns.v.update({(0, a, b): 1}) %}{% endfor %}{% endfor %}")]
    [InlineData("{% set ns.v = {} %}{% for a in range(99999) %}{% for b in range(99) %}{% set _ = ns.v.setdefault(4503599627370496 + (a * 99 + b) * 4294967297 + 1127219200, 1) %}{% endfor %}{% endfor %}")]
    [InlineData("{% set ns.v = dict((range(99999) | batch(2))) %}{% for a in range(99999) %}{% for b in ns.v %}{% break %}{% endfor %}{% set ns.w = ns.v.copy() %}{% endfor %}")]
    [InlineData("{% set t = (0,) * 1000000 %}{% for a in range(99999) %}{% set ns.w = t in d %}{% endfor %}")]
    [InlineData("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}")]
    [InlineData("{% for x in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}")]
    [InlineData("{% set _ = l.append(l) %}{{ l == l | list }}{% set ns.v = [] %}{% set _ = ns.v.append(ns.v) %}{{ ns.v }}")]
    [InlineData("{{ d | tojson }}")]
    [InlineData("{{ d == {'a': {'a': {}}} }}{{ d }}")]
    [InlineData("{% set ns.v = [1] %}{% for i in range(99999) %}{% set ns.v = ns.v | map('string') %}{% endfor %}{{ ns.v | list }}")]
    [InlineData("{% set ns.v = [1] %}{% for i in range(99999) %}{% set ns.v = ns.v | select %}{% endfor %}{{ ns.v | first }}")]
    [InlineData("{% set ns.v = [1] %}{% for i in range(99999) %}{% set ns.v = ns.v | unique %}{% endfor %}{% for x in ns.v %}{{ x }}{% endfor %}")]
    [InlineData("{% set ns.v = [1] %}{% for i in range(99999) %}{% set ns.v = ns.v | batch(1) %}{% endfor %}{{ ns.v | join }}")]
    public void A_template_that_would_fill_the_memory_or_never_end_is_stopped(string text)
        => Cost.Of(() => ChatTemplate.Parse(Large + text).Render(Nothing), () => text).ShouldBeOfType<ChatTemplateException>().Line.ShouldBe(1);

    [Fact]
    public void Errors_name_the_limit_its_value_and_where_to_raise_it_and_raising_it_helps()
    {
        var steps = ChatTemplate.Parse("{% for a in range(3000) %}{{ a }}{% endfor %}", limits: new() { MaxTemplateSteps = 1000 });
        Failure(() => steps.Render(Nothing)).ShouldContain("ResourceLimits.MaxTemplateSteps is 1,000: raise it in ChatTemplateOptions.Limits");
        steps.Render(Nothing, new() { Limits = ResourceLimits.Default }).ShouldStartWith("0123");

        var memory = ChatTemplate.Parse("{{ 'a' * 3000 }}");
        Failure(() => memory.Render(Nothing, new() { Limits = new() { MaxTemplateMemory = 5999 } })).ShouldContain("ResourceLimits.MaxTemplateMemory is 5,999");
        memory.Render(Nothing, new() { Limits = new() { MaxTemplateMemory = 12_000 } }).Length.ShouldBe(3000);

        const string nested = "{{ ((((1)))) }}";
        Failure(() => ChatTemplate.Parse(nested, limits: new() { MaxTemplateDepth = 3 })).ShouldContain("ResourceLimits.MaxTemplateDepth is 3");
        ChatTemplate.Parse(nested).Render(Nothing).ShouldBe("1");
        Failure(() => ChatTemplate.Parse(nested, limits: new() { MaxTemplateLength = 9 })).ShouldContain("ResourceLimits.MaxTemplateLength is 9");
    }

    [Fact]
    public void A_cancelled_token_stops_a_rendering()
    {
        using var stop = new CancellationTokenSource();
        var template = ChatTemplate.Parse("{% for a in range(99999) %}{{ a }}{% endfor %}");
        template.Render(Nothing, cancellationToken: stop.Token).Length.ShouldBeGreaterThan(99999);
        stop.Cancel();
        Should.Throw<OperationCanceledException>(() => template.Render(Nothing, cancellationToken: stop.Token));
        Should.Throw<OperationCanceledException>(() => template.Render(new JsonArray(), cancellationToken: stop.Token));
        var tokenizer = Tokenizer.FromPretrained(Expected.Folder("stories260K"));
        tokenizer.ChatTemplate = template;
        Should.Throw<OperationCanceledException>(() => tokenizer.ApplyChatTemplate(Nothing, cancellationToken: stop.Token));
    }

    // What may hold more of its kind, in every parser.
    [Theory]
    [InlineData("{{ ", "(", "1", ")", " }}")]
    [InlineData("{{ ", "[", "", "]", " }}")]
    [InlineData("{{ ", "{1:", "1", "}", " }}")]
    [InlineData("{{ ", "not ", "1", "", " }}")]
    [InlineData("{{ ", "not (", "1", ")", " }}")]
    [InlineData("{{ ", "-", "1", "", " }}")]
    [InlineData("{{ ", "x(", "1", ")", " }}")]
    [InlineData("{{ ", "x[", "1", "]", " }}")]
    [InlineData("{{ ", "x[:", "1", "]", " }}")]
    [InlineData("{{ ", "x(*", "1", ")", " }}")]
    [InlineData("{{ ", "x(a=", "1", ")", " }}")]
    [InlineData("{{ ", "1 if ", "1", " else 1", " }}")]
    [InlineData("{{ ", "1|d(", "1", ")", " }}")]
    [InlineData("{{ ", "1 is eq(", "1", ")", " }}")]
    [InlineData("{{ ", "1 is eq [", "1", "]", " }}")]
    [InlineData("{{ 1", "", "", " + 1", " }}")]
    [InlineData("{{ 1", "", "", " ** 1", " }}")]
    [InlineData("{{ 1", "", "", " and 1", " }}")]
    [InlineData("{{ 1", "", "", " < 1", " }}")]
    [InlineData("{{ 1", "", "", " ~ 1", " }}")]
    [InlineData("{{ x", "", "", ".x", " }}")]
    [InlineData("{{ x", "", "", "[0]", " }}")]
    [InlineData("{{ x", "", "", "()", " }}")]
    [InlineData("{{ 'a'", "", "", "|trim", " }}")]
    [InlineData("{{ 'a' | a", "", "", ".a", " }}")]
    [InlineData("{{ 'a' is a", "", "", ".a", " }}")]
    [InlineData("{{ 1", "", "", " is odd", " }}")]
    [InlineData("{{ 1", " if 1 else 1", "", "", " }}")]
    [InlineData("{{ 1", " if 1", "", "", " }}")]
    [InlineData("{{ 'a'", "'a'", "", "", " }}")]
    [InlineData("", "{% if 1 %}", "", "{% endif %}", "")]
    [InlineData("{% if 1 %}", "{% elif 1 %}", "", "", "{% endif %}")]
    [InlineData("", "{% if 1 %}{% else %}", "", "{% endif %}", "")]
    [InlineData("", "{% for x in [1] %}", "", "{% endfor %}", "")]
    [InlineData("", "{% macro x() %}", "", "{% endmacro %}", "")]
    [InlineData("", "{% call x() %}", "", "{% endcall %}", "")]
    [InlineData("", "{% filter trim %}", "", "{% endfilter %}", "")]
    [InlineData("", "{% with %}", "", "{% endwith %}", "")]
    [InlineData("", "{% set x %}", "", "{% endset %}", "")]
    [InlineData("", "{% generation %}", "", "{% endgeneration %}", "")]
    [InlineData("{% set ", "(", "x", ")", " = 1 %}")]
    [InlineData("{% for ", "(", "x", ")", " in [] %}{% endfor %}")]
    [InlineData("{% with ", "(", "x", ")", " = 1 %}{% endwith %}")]
    [InlineData("{% for ", "(x,", "x", ")", " in [] %}{% endfor %}")]
    [InlineData("{% set x", "", "", ",x", " = 1 %}")]
    [InlineData("{% set x", "", "", "|trim", " %}{% endset %}")]
    [InlineData("{{ '", "{0:", "", "}", "'.format(1) }}")]
    public void Nesting_of_a_hundred_thousand_ends_in_an_error_or_a_text_but_not_in_a_crash(string begin, string open, string middle, string close, string end)
    {
        const int times = 100_000;
        var text = begin + string.Concat(Enumerable.Repeat(open, times)) + middle + string.Concat(Enumerable.Repeat(close, times)) + end;
        var failure = Cost.Of(() => ChatTemplate.Parse(text, limits: new() { MaxTemplateLength = int.MaxValue }).Render(Nothing), () => begin + open);
        if (failure is not null) failure.ShouldBeOfType<ChatTemplateException>().Line.ShouldBe(1);
    }

    [Fact]
    public void Values_that_hold_themselves_or_are_no_values_are_refused()
    {
        var self = new Dictionary<string, object?>();
        self["self"] = self;
        JsonNode deep = new JsonArray();
        for (var i = 0; i < 100_000; i++) deep = new JsonArray(deep);
        foreach (var value in new object[] { self, deep, JsonNode.Parse("""{"a": 1, "a": 2}""")!, JsonNode.Parse("\"\\ud800\"")!, typeof(string) })
            Failure(() => ChatTemplate.Parse("{{ v }}").Render(Nothing, new() { Variables = new Dictionary<string, object?> { ["v"] = value } })).ShouldContain("cannot be passed to a template");
    }

    [Fact]
    public void Floats_keep_all_their_digits_however_many_are_asked_for()
    {
        ChatTemplate.Parse("{{ '%.1080f' % 0.1 }}").Render(Nothing).ShouldBe("0.1000000000000000055511151231257827021181583404541015625" + new string('0', 1025));
        ChatTemplate.Parse("{{ '%.1080e' % 0.5 }}").Render(Nothing).ShouldBe("5." + new string('0', 1080) + "e-01");
    }

    private static string Failure(Action action) => Should.Throw<ChatTemplateException>(action).Message;
}
