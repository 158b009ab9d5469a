namespace Peft;

/// <summary>What the rows are for, recognized by their columns.</summary>
public enum DatasetFormat
{
    /// <summary>Columns of other names: rename or map them.</summary>
    Unknown,

    /// <summary><c>text</c>: pre-training and supervised fine-tuning.</summary>
    Text,

    /// <summary><c>messages</c> or <c>conversations</c>: supervised fine-tuning on chats.</summary>
    Messages,

    /// <summary><c>prompt</c> and <c>completion</c>: supervised fine-tuning on completions.</summary>
    PromptCompletion,

    /// <summary><c>prompt</c> alone: reinforcement learning.</summary>
    Prompt,

    /// <summary><c>chosen</c> and <c>rejected</c>, perhaps with <c>prompt</c>: reward models, DPO and related methods.</summary>
    Preference,

    /// <summary><c>prompt</c>, <c>completion</c> and a <c>label</c> of true or false: KTO and BCO.</summary>
    Unpaired,

    /// <summary><c>prompt</c>, <c>completions</c> and <c>labels</c>: process reward models.</summary>
    Stepwise,

    /// <summary><c>text</c> and <c>label</c>: classification.</summary>
    Classification,

    /// <summary>Words (<c>tokens</c> or <c>words</c>) and a tag for each (<c>ner_tags</c>, <c>tags</c> or <c>labels</c>): token classification.</summary>
    Tagging,

    /// <summary><c>question</c>, <c>context</c> and <c>answers</c>: question answering.</summary>
    QuestionAnswering,
}
