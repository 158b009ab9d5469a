using System.Text.Json.Nodes;

namespace Peft.Models.Tests;

/// <summary>Every field of every architecture's configuration class is honoured, has no effect by its meaning, or is refused by name.</summary>
public class ConfigFieldTests
{
    public static TheoryData<string> ModelTypes => [.. ConfigFields.ModelTypes];

    public static TheoryData<string, string> Fields(string kind)
    {
        var result = new TheoryData<string, string>();
        foreach (var type in ConfigFields.ModelTypes)
            foreach (var field in ConfigFields.Of(type).Where(field => field.Kind == kind)) result.Add(type, field.Name);
        return result;
    }

    [Theory, MemberData(nameof(Fields), "used")]
    public void A_field_that_is_used_changes_the_model(string modelType, string name)
    {
        var field = ConfigFields.Of(modelType, name);
        var config = ConfigFields.InContext(modelType, field);
        JsonNode.DeepEquals(JsonNode.Parse(config.ToString())![name], field.Other).ShouldBeFalse("the model has the other value already");
        var (before, after) = (ModelTraits.Of(config), ModelTraits.Of(config.With(name, field.Other)));
        before.Where(trait => after.GetValueOrDefault(trait.Key) != trait.Value).ShouldNotBeEmpty();
        before.Where(trait => trait.Key.EndsWith("output", StringComparison.Ordinal)).ShouldAllBe(trait => trait.Value.Length > 0 && !trait.Value.Contains("NaN"));
    }

    [Theory, MemberData(nameof(Fields), "inert")]
    public void A_field_without_effect_on_the_numbers_changes_nothing(string modelType, string name)
    {
        var field = ConfigFields.Of(modelType, name);
        var config = ConfigFields.InContext(modelType, field);
        ModelTraits.Of(config.With(name, field.Other)).ShouldBe(ModelTraits.Of(config));
    }

    [Theory, MemberData(nameof(Fields), "refused")]
    public void A_field_that_asks_for_more_is_refused_by_name(string modelType, string name)
    {
        var field = ConfigFields.Of(modelType, name);
        var config = ConfigFields.InContext(modelType, field);
        Should.Throw<UnsupportedModelException>(() => new ModelRegistry().Describe(config.With(name, field.Other))).Message.ShouldContain(name);
        new ModelRegistry().Describe(config.Without(name)).ShouldNotBeNull();
        if (field.Default is null || field.Default is JsonValue value && value.TryGetValue<string>(out var text) && text == "hidden_size") return;
        new ModelRegistry().Describe(config.With(name, field.Default)).ShouldNotBeNull();
    }

    [Theory, MemberData(nameof(ModelTypes))]
    public void A_field_that_the_file_leaves_out_has_the_default_of_transformers(string modelType)
    {
        var registry = new ModelRegistry();
        foreach (var field in ConfigFields.Of(modelType).Where(field => field.Kind == "used"))
        {
            var config = ConfigFields.InContext(modelType, field).Without(field.Name);
            if (field.Default is JsonValue value && value.TryGetValue<string>(out var text) && text == "required")
            {
                Should.Throw<ModelFolderException>(() => registry.Describe(config)).Message.ShouldContain(field.Name);
                continue;
            }
            Describe(() => registry.Describe(config)).ShouldBe(Describe(() => registry.Describe(config.With(field.Name, field.Default))), field.Name);
        }
    }

    [Theory, MemberData(nameof(ModelTypes))]
    public void The_list_holds_all_that_transformers_wrote(string modelType)
    {
        var known = ConfigFields.Of(modelType).Select(field => field.Name).Append("model_type").ToHashSet();
        JsonNode.Parse(ConfigFields.Base(modelType).ToString())!.AsObject().Select(pair => pair.Key).Where(name => !known.Contains(name)).ShouldBeEmpty();
        new ModelRegistry().ModelTypes.ShouldBe(ConfigFields.ModelTypes, ignoreOrder: true);
    }

    // Heads of a size that does not fit are refused alike, whichever way the number came.
    private static string Describe(Func<TransformerSpec> describe)
    {
        try
        {
            return Print(describe(), 0);
        }
        catch (PeftException exception)
        {
            return exception.Message;
        }
    }

    private static string Print(object? value, int depth) => value switch
    {
        null => "null",
        string or ValueType => FormattableString.Invariant($"{value}"),
        Activation activation => activation.Name,
        System.Collections.IEnumerable items => "[" + string.Join(", ", items.Cast<object?>().Select(item => Print(item, depth + 1))) + "]",
        _ when depth > 6 => "…",
        _ => "{" + string.Join(", ", value.GetType().GetProperties().Where(property => property.GetIndexParameters().Length == 0).Select(property => $"{property.Name}: {Print(property.GetValue(value), depth + 1)}")) + "}",
    };
}
