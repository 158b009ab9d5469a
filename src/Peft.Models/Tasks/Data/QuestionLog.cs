using Microsoft.Extensions.Logging;

namespace Peft.Models;

internal static partial class QuestionLog
{
    [LoggerMessage(30, LogLevel.Information, "{Name}: {Questions} questions became {Windows} windows of at most {MaxLength} tokens.")]
    public static partial void Windows(ILogger logger, string name, int questions, int windows, int maxLength);
}
