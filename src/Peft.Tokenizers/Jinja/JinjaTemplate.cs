namespace Peft.Tokenizers.Jinja;

/// <summary>
/// The subset of Jinja 3.1 that chat templates use, with the settings of transformers: <c>trim_blocks</c>, <c>lstrip_blocks</c>, loop
/// controls, the generation tag, no HTML autoescaping, and Python's values and formatting. Immutable.
/// </summary>
internal sealed class JinjaTemplate
{
    private readonly Block body;
    private readonly IReadOnlySet<string> names;

    private JinjaTemplate(Block body, StatementParser parser) => (this.body, names, HasGeneration) = (body, parser.Names, parser.HasGeneration);

    /// <summary>True if the template marks the assistant's content with generation blocks.</summary>
    public bool HasGeneration { get; }

    public static JinjaTemplate Parse(string text, ResourceLimits limits)
    {
        if (text.Length > limits.MaxTemplateLength)
            throw new ChatTemplateException($"The chat template has {text.Length:N0} characters. {limits.Remedy(nameof(ResourceLimits.MaxTemplateLength), ChatTemplate.WhereLimitsAre)}");
        var (body, parser) = StatementParser.Parse(text, limits);
        return new(body, parser);
    }

    /// <summary>True if an expression of the template names the variable.</summary>
    public bool Uses(string variable) => names.Contains(variable);

    /// <summary>Renders the template with variables (see <see cref="PythonValue"/>).</summary>
    public (string Text, RenderRun Run) Render(Dictionary<string, object?> variables, ResourceLimits limits, TimeProvider clock, CancellationToken cancellationToken)
    {
        var run = new RenderRun(limits, clock, cancellationToken);
        var frame = new Frame(run, variables);
        try
        {
            body.Execute(frame);
            return (frame.Output.ToString(), run);
        }
        catch (ChatTemplateException exception)
        {
            exception.Locate(run.Line);
            throw;
        }
        catch (InsufficientExecutionStackException)
        {
            throw new ChatTemplateException("Expressions, values or calls are nested too deeply.", run.Line);
        }
    }
}
